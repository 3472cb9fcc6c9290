/* Parameters, call statistics that survive any exit, host and device time. */
#define _GNU_SOURCE
#include "emulator.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 8192

struct slot { char name[112]; uint64_t count; uint32_t thread, used; };

struct parameters parameters = {
    .soc = "Ascend910B3", .cann = "8.2.RC1", .driver = "25.2.0", .devices = 1, .memory_mb = 65536,
    .depth = 1024, .phase1_us = 12, .phase2_us = 6, .aclop_us = 25, .cold_us = 400,
    .compile_us = 15000, .load_us = 200, .kernel_us = 8, .gflops = 20000, .gbytes_s = 400,
    .pcie_gbytes_s = 12, .replay_us = 20,
};
static struct slot private_slots[SLOTS], *slots = private_slots;
static uint64_t seen[65536];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static __thread char last_error[512];
static __thread uint32_t thread_number;
static uint32_t threads;

/* Lets a program find out that this is no device. */
const char *emulated_cann(void) { return parameters.cann; }

static void set_text(char *to, size_t size, const char *value) { snprintf(to, size, "%s", value); }

static void set(const char *name, const char *value) {
    struct { const char *name; char *to; size_t size; } texts[] = {
        {"soc", parameters.soc, 32}, {"cann", parameters.cann, 32}, {"driver", parameters.driver, 32},
        {"stats", parameters.stats, 256}, {"fail", parameters.fail, 96}, {"jit", parameters.jit, 8},
        {"kernel_cache", parameters.kernel_cache, 256},
        {"physical_ids", parameters.physical_ids, 64}, {"pci_bus_ids", parameters.pci_bus_ids, 256},
        {"one_process", parameters.one_process, 256}};
    struct { const char *name; int64_t *to; } numbers[] = {
        {"devices", &parameters.devices}, {"memory_mb", &parameters.memory_mb},
        {"depth", &parameters.depth}, {"fail_call", &parameters.fail_call},
        {"numerics", &parameters.numerics}, {"burn", &parameters.burn},
        {"phase1_us", &parameters.phase1_us}, {"phase2_us", &parameters.phase2_us},
        {"aclop_us", &parameters.aclop_us}, {"cold_us", &parameters.cold_us},
        {"compile_us", &parameters.compile_us}, {"load_us", &parameters.load_us},
        {"kernel_us", &parameters.kernel_us}, {"gflops", &parameters.gflops},
        {"gbytes_s", &parameters.gbytes_s}, {"pcie_gbytes_s", &parameters.pcie_gbytes_s},
        {"replay_us", &parameters.replay_us}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!strcmp(name, texts[i].name)) return set_text(texts[i].to, texts[i].size, value);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!strcmp(name, numbers[i].name)) { *numbers[i].to = atoll(value); return; }
    fprintf(stderr, "EMULATED_CANN: there is no parameter %s\n", name);
    abort();
}

/* One file for each process, mapped: no exit can lose what was counted. */
static void map_statistics(void) {
    char path[320];
    snprintf(path, sizeof path, "%s/%d.stats", parameters.stats, (int)getpid());
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (file < 0 || ftruncate(file, sizeof private_slots)) return;
    void *mapped = mmap(NULL, sizeof private_slots, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) slots = mapped;
    close(file);
}

__attribute__((constructor)) static void begin(void) {
    char copy[2048], *rest = copy;
    set_text(copy, sizeof copy, getenv("EMULATED_CANN") ? getenv("EMULATED_CANN") : "");
    for (char *pair; (pair = strsep(&rest, " "));) {
        char *value = strchr(pair, '=');
        if (value) { *value = 0; set(pair, value + 1); }
    }
    if (*parameters.stats) map_statistics();
}

int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void sleep_until_ns(int64_t moment_ns) {
    int64_t early_ns = moment_ns - 5000; /* the rest is polled: a wake-up takes some us */
    if (early_ns > now_ns()) {
        prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
        struct timespec until = {early_ns / 1000000000LL, early_ns % 1000000000LL};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    while (now_ns() < moment_ns) {}
}

void hold_us(int64_t us) {
    int64_t until_ns = now_ns() + us * 1000;
    if (!parameters.burn) return sleep_until_ns(until_ns);
    while (now_ns() < until_ns) {}
}

void device_work(stream_t *stream, int64_t cost_ns) {
    if (!stream) stream = default_stream();
    int64_t depth = parameters.depth < 1024 ? parameters.depth : 1024;
    int64_t *oldest_ns = &stream->ends_ns[stream->next++ % depth], now = now_ns();
    if (*oldest_ns > now) { sleep_until_ns(*oldest_ns); now = now_ns(); }
    stream->free_at_ns = (stream->free_at_ns > now ? stream->free_at_ns : now) + cost_ns;
    *oldest_ns = stream->free_at_ns;
}

uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t size) {
    uint64_t hash = seed ^ 1469598103934665603ULL;
    for (size_t i = 0; i < size; i++) hash = (hash ^ ((const uint8_t *)bytes)[i]) * 1099511628211ULL;
    return hash;
}

/* Thread 0 is the process's main one; the others are numbered as they come. */
static uint32_t this_thread(void) {
    if (getpid() == gettid()) return 0;
    if (!thread_number) thread_number = __sync_add_and_fetch(&threads, 1);
    return thread_number;
}

int64_t count(const char *kind, const char *name) {
    char full[112];
    snprintf(full, sizeof full, "%s:%s", kind, name);
    uint32_t thread = this_thread();
    uint64_t at = hash_bytes(thread, full, strlen(full));
    int64_t all = 0;
    pthread_mutex_lock(&mutex);
    for (int probes = 0; probes < SLOTS; probes++, at++) {
        struct slot *slot = &slots[at % SLOTS];
        if (!slot->used) {
            strcpy(slot->name, full);
            slot->thread = thread;
            slot->used = 1;
        }
        if (slot->thread == thread && !strcmp(slot->name, full)) { all = ++slot->count; break; }
    }
    pthread_mutex_unlock(&mutex);
    return all;
}

int first_sight(const char *kind, uint64_t key) {
    int first = 0;
    key = hash_bytes(key, kind, strlen(kind)) | 1;
    pthread_mutex_lock(&mutex);
    for (uint64_t at = key; !first; at++) {
        uint64_t *place = &seen[at % 65536];
        if (*place == key) break;
        if (!*place) { *place = key; first = 1; }
    }
    pthread_mutex_unlock(&mutex);
    return first;
}

/* fail=aclnnAdd or fail=aclnnAdd:2 (second phase); fail_call=3: only the third call, 0: every one. */
int failure(const char *name, const char *phase) {
    static int64_t calls;
    char wanted[112];
    snprintf(wanted, sizeof wanted, "%s:%s", name, phase);
    int by_phase = !strcmp(parameters.fail, wanted);
    if (!by_phase && (strcmp(parameters.fail, name) || !strcmp(phase, "2"))) return 0;
    int64_t call = __sync_add_and_fetch(&calls, 1);
    if (parameters.fail_call && call != parameters.fail_call) return 0;
    error_message("EZ9999: emulated failure of %s, phase %s", name, phase);
    return OPERATOR_FAILED;
}

void error_message(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_error, sizeof last_error, format, arguments);
    va_end(arguments);
}

const char *aclGetRecentErrMsg(void) { return *last_error ? last_error : NULL; }
