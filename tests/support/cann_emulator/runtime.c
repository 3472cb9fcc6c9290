/* Process, devices, memory, streams, events, copies, versions, profiler. */
#define _GNU_SOURCE
#include "emulator.h"

#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

typedef int32_t error_t_;
#define API error_t_

/* --- process, devices, context --- */
static int initialized;
static __thread int32_t current = -1;
static int64_t contexts[64];
static __thread void *context;

/* ids: where given, the logic ids of the visible devices. */
static int64_t visible_ids(int64_t *ids) {
    const char *listed = getenv("ASCEND_RT_VISIBLE_DEVICES");
    int64_t found = 0, last = -1;
    if (!listed) {
        for (; ids && found < parameters.devices; found++) ids[found] = found;
        return parameters.devices;
    }
    for (const char *at = listed; *at;) { /* digits and commas, ascending; anything else hides all */
        char *end;
        if (!isdigit((unsigned char)*at)) return 0;
        int64_t id = strtoll(at, &end, 10);
        if (id <= last) return 0;
        if (id >= parameters.devices) break;
        if (ids) ids[found] = id;
        found++, last = id;
        at = *end == ',' ? end + 1 : end;
        if (*end && *end != ',') return 0;
    }
    return found;
}
static int64_t visible(void) { return visible_ids(NULL); }

/* --- which chip a device is: a user's number counts what is visible, a logic id all that the
 * container has, a physical id is the host's. The driver has always told it; CANN from 9 on here. --- */
static const char *listed_at(const char *list, int64_t at) {
    while (list && at--) list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL;
    return list && *list ? list : NULL;
}
int32_t drvDeviceGetPhyIdByIndex(uint32_t logic_id, uint32_t *physical_id) {
    if (logic_id >= parameters.devices) return INVALID_DEVICE;
    const char *given = listed_at(parameters.physical_ids, logic_id);
    *physical_id = given ? (uint32_t)atoi(given) : logic_id;
    return SUCCESS;
}
API aclrtGetLogicDevIdByUserDevId(int32_t id, int32_t *logic_id) {
    int64_t ids[64];
    if (atoi(parameters.cann) < 9) return NOT_SUPPORTED;
    if (id < 0 || id >= visible_ids(ids)) return INVALID_DEVICE;
    *logic_id = (int32_t)ids[id];
    return SUCCESS;
}
API aclrtGetPhyDevIdByLogicDevId(int32_t logic_id, int32_t *physical_id) {
    if (atoi(parameters.cann) < 9) return NOT_SUPPORTED;
    return drvDeviceGetPhyIdByIndex((uint32_t)logic_id, (uint32_t *)physical_id);
}
API aclrtGetPhyDevIdByUserDevId(int32_t id, int32_t *physical_id) {
    int32_t logic_id;
    API outcome = aclrtGetLogicDevIdByUserDevId(id, &logic_id);
    return outcome ? outcome : aclrtGetPhyDevIdByLogicDevId(logic_id, physical_id);
}
API aclrtDeviceGetPCIBusId(int32_t id, char *text, int32_t size) {
    int32_t logic_id;
    API outcome = aclrtGetLogicDevIdByUserDevId(id, &logic_id);
    if (outcome) return outcome;
    const char *given = listed_at(parameters.pci_bus_ids, logic_id);
    if (!given) return NOT_SUPPORTED; /* as where devices are not on PCIe */
    snprintf(text, (size_t)size, "%.*s", (int)strcspn(given, ","), given);
    return SUCCESS;
}

API aclInit(const char *path) {
    (void)path;
    if (initialized++) return REPEAT_INITIALIZE;
    return SUCCESS;
}
API aclFinalize(void) { return SUCCESS; }
const char *aclrtGetSocName(void) { return parameters.soc; }
API aclrtGetDeviceCount(uint32_t *n) { *n = (uint32_t)visible(); return SUCCESS; }
int32_t drvGetDevNum(uint32_t *n) { *n = (uint32_t)parameters.devices; return 0; }
/* Has another process this device, where it takes only one? The lock ends with the process. */
static int is_taken(int32_t id) {
    static int locks[64];
    char path[320];
    if (!*parameters.one_process || locks[id]) return 0;
    snprintf(path, sizeof path, "%s/device-%d.lock", parameters.one_process, id);
    locks[id] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (locks[id] >= 0 && !flock(locks[id], LOCK_EX | LOCK_NB)) return 0;
    if (locks[id] >= 0) close(locks[id]);
    locks[id] = 0;
    return 1;
}
API aclrtSetDevice(int32_t id) {
    if (id < 0 || id >= visible()) {
        error_message("EE1001: there is no device %d, %d are visible", id, (int)visible());
        return INVALID_DEVICE;
    }
    if (is_taken(id)) {
        error_message("EJ0001: device %d is held by another process, it takes only one", id);
        return DEVICE_SETUP_FAILED;
    }
    current = id;
    context = &contexts[id];
    contexts[id] = 1;
    return SUCCESS;
}
API aclrtResetDevice(int32_t id) { if (id >= 0 && id < 64) contexts[id] = 0; return SUCCESS; }
API aclrtResetDeviceForce(int32_t id) { return aclrtResetDevice(id); }
API aclrtGetDevice(int32_t *id) {
    if (current < 0) return INVALID_DEVICE;
    *id = current;
    return SUCCESS;
}
API aclrtGetCurrentContext(void **c) {
    if (!context) return INVALID_PARAM;
    *c = context;
    return SUCCESS;
}
API aclrtSetCurrentContext(void *c) {
    context = c;
    if (c) current = (int32_t)((int64_t *)c - contexts);
    return SUCCESS;
}
API aclrtCreateContext(void **c, int32_t id) { *c = &contexts[id]; return SUCCESS; }
API aclrtGetPrimaryCtxState(int32_t id, uint32_t *flags, int32_t *active) {
    if (flags) *flags = 0;
    *active = (int32_t)contexts[id];
    return SUCCESS;
}
API aclrtDeviceCanAccessPeer(int32_t *can, int32_t a, int32_t b) { *can = a != b; return SUCCESS; }
API aclrtGetDeviceUtilizationRate(int32_t id, int32_t *info) {
    (void)id;
    info[0] = info[1] = info[2] = info[3] = 0;
    return SUCCESS;
}
API aclGetDeviceCapability(uint32_t id, int32_t what, int64_t *value) {
    (void)id;
    *value = what == 0 ? 20 : 40; /* cube cores, vector cores */
    return SUCCESS;
}
API aclrtGetDeviceInfo(uint32_t id, int32_t what, int64_t *value) {
    return aclGetDeviceCapability(id, what, value);
}
API aclGetCannAttributeList(const int32_t **list, size_t *n) {
    static const int32_t attributes[] = {1};
    *list = attributes, *n = 1;
    return SUCCESS;
}
API aclGetCannAttribute(int32_t which, int32_t *value) { *value = which == 1; return SUCCESS; }
API aclrtGetDeviceResLimit(int32_t id, int32_t type, uint32_t *value) {
    (void)id;
    *value = type == 0 ? 20 : 40;
    return SUCCESS;
}
API aclrtGetStreamResLimit(void *s, int32_t type, uint32_t *value) {
    (void)s;
    return aclrtGetDeviceResLimit(0, type, value);
}
API aclrtGetResInCurrentThread(int32_t type, uint32_t *value) {
    return aclrtGetDeviceResLimit(0, type, value);
}
static int64_t system_parameters[64];
API aclrtSetSysParamOpt(int32_t opt, int64_t value) { system_parameters[opt & 63] = value; return 0; }
API aclrtGetSysParamOpt(int32_t opt, int64_t *value) { *value = system_parameters[opt & 63]; return 0; }
API aclrtCtxSetSysParamOpt(int32_t opt, int64_t value) { return aclrtSetSysParamOpt(opt, value); }
API aclrtCtxGetSysParamOpt(int32_t opt, int64_t *value) { return aclrtGetSysParamOpt(opt, value); }
int halGetDeviceInfo(uint32_t id, int32_t module, int32_t type, int64_t *value) {
    (void)id, (void)module, (void)type;
    *value = 0;
    return 0;
}
int halGetAPIVersion(int *version) { *version = 0x072316; return 0; }

/* --- versions --- */
struct version { char version[128], major[64], minor[64], release[64], patch[64], reserved[128]; };
API aclsysGetCANNVersion(int32_t package, struct version *found) {
    memset(found, 0, sizeof *found);
    const char *text = package == 7 ? parameters.driver : parameters.cann;
    char copy[64], *rest = copy, *fields[] = {found->major, found->minor, found->release, found->patch};
    snprintf(found->version, sizeof found->version, "%s", text);
    snprintf(copy, sizeof copy, "%s", text);
    for (int i = 0; i < 4 && rest; i++) snprintf(fields[i], 64, "%s", strsep(&rest, "."));
    return SUCCESS;
}
API aclsysGetVersionStr(const char *package, char *version) {
    strcpy(version, strstr(package, "driver") ? parameters.driver : parameters.cann);
    return SUCCESS;
}
API aclrtGetVersion(int32_t *a, int32_t *b, int32_t *c) { *a = 1, *b = 14, *c = 0; return SUCCESS; }

/* --- memory: lazily backed host memory, counted against the emulated size --- */
static struct block { void *at; size_t size; int host; } *blocks;
static size_t block_count, block_room, used_bytes;
static pthread_mutex_t memory = PTHREAD_MUTEX_INITIALIZER;

static API take(void **at, size_t size, int host) {
    API outcome = OUT_OF_MEMORY;
    pthread_mutex_lock(&memory);
    if (host || used_bytes + size <= (size_t)parameters.memory_mb << 20) {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        *at = mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (*at != MAP_FAILED) {
            if (block_count == block_room)
                blocks = realloc(blocks, (block_room = 2 * block_room + 64) * sizeof *blocks);
            blocks[block_count++] = (struct block){*at, size ? size : 1, host};
            if (!host) used_bytes += size;
            outcome = SUCCESS;
        }
    }
    pthread_mutex_unlock(&memory);
    if (outcome) error_message("EL0004: the device has no %zu bytes left", size);
    return outcome;
}
static API give(void *at) {
    pthread_mutex_lock(&memory);
    for (size_t i = 0; i < block_count; i++)
        if (blocks[i].at == at) {
            munmap(at, blocks[i].size);
            if (!blocks[i].host) used_bytes -= blocks[i].size;
            blocks[i] = blocks[--block_count];
            break;
        }
    pthread_mutex_unlock(&memory);
    return SUCCESS;
}
API aclrtMalloc(void **at, size_t size, int32_t policy) { (void)policy; return take(at, size, 0); }
API aclrtMallocAlign32(void **at, size_t size, int32_t policy) { (void)policy; return take(at, size, 0); }
API aclrtFree(void *at) { return give(at); }
API aclrtMallocHost(void **at, size_t size) { return take(at, size, 1); }
API aclrtMallocHostWithCfg(void **at, uint64_t size, void *c) { (void)c; return take(at, size, 1); }
API aclrtFreeHost(void *at) { return give(at); }
API aclrtGetMemInfo(int32_t attribute, size_t *left, size_t *total) {
    (void)attribute;
    *total = (size_t)parameters.memory_mb << 20;
    *left = *total - used_bytes;
    return SUCCESS;
}
API aclrtReserveMemAddress(void **at, size_t size, size_t alignment, void *expected, uint64_t flags) {
    (void)alignment, (void)expected, (void)flags;
    return take(at, size, 1);
}
API aclrtReleaseMemAddress(void *at) { return give(at); }
struct physical { size_t size; };
API aclrtMallocPhysical(void **handle, size_t size, const void *property, uint64_t flags) {
    (void)property, (void)flags;
    if (used_bytes + size > (size_t)parameters.memory_mb << 20) return OUT_OF_MEMORY;
    used_bytes += size;
    *handle = calloc(1, sizeof(struct physical));
    ((struct physical *)*handle)->size = size;
    return SUCCESS;
}
API aclrtFreePhysical(void *handle) {
    used_bytes -= ((struct physical *)handle)->size;
    free(handle);
    return SUCCESS;
}

/* --- streams and events --- */
static stream_t device_default;
static stream_t *streams[256];
static int64_t stream_count;

stream_t *default_stream(void) { return &device_default; }
void leave_capture(const struct graph *graph) {
    for (int64_t id = 1; id <= stream_count && id < 256; id++)
        if (streams[id]->graph == graph) streams[id]->graph = NULL, streams[id]->behind = 0;
}
API aclrtCreateStreamWithConfig(void **stream, uint32_t priority, uint32_t flag) {
    (void)priority, (void)flag;
    stream_t *made = calloc(1, sizeof *made);
    made->id = ++stream_count;
    if (made->id < 256) streams[made->id] = made;
    *stream = made;
    return SUCCESS;
}
API aclrtCreateStream(void **stream) { return aclrtCreateStreamWithConfig(stream, 0, 0); }
API aclrtDestroyStream(void *stream) { (void)stream; return SUCCESS; }
API aclrtDestroyStreamForce(void *stream) { (void)stream; return SUCCESS; }
API aclrtStreamGetId(stream_t *stream, int32_t *id) { *id = stream ? (int32_t)stream->id : 0; return 0; }
API aclrtSynchronizeStreamWithTimeout(stream_t *stream, int32_t timeout_ms) {
    (void)timeout_ms;
    count("sync", "stream");
    API refused = refused_while_capturing(stream, "aclrtSynchronizeStream");
    if (refused) return refused;
    sleep_until_ns((stream ? stream : &device_default)->free_at_ns);
    return SUCCESS;
}
API aclrtSynchronizeStream(stream_t *stream) { return aclrtSynchronizeStreamWithTimeout(stream, -1); }
API aclrtSynchronizeDeviceWithTimeout(int32_t timeout_ms) {
    (void)timeout_ms;
    count("sync", "device");
    for (int64_t id = 1; id <= stream_count && id < 256; id++) {
        API refused = refused_while_capturing(streams[id], "aclrtSynchronizeDevice");
        if (refused) return refused;
    }
    sleep_until_ns(device_default.free_at_ns);
    for (int64_t id = 1; id <= stream_count && id < 256; id++) sleep_until_ns(streams[id]->free_at_ns);
    return SUCCESS;
}
API aclrtSynchronizeDevice(void) { return aclrtSynchronizeDeviceWithTimeout(-1); }
API aclrtStreamQuery(stream_t *stream, int32_t *status) {
    API refused = refused_while_capturing(stream, "aclrtStreamQuery");
    if (refused) return refused;
    *status = (stream ? stream : &device_default)->free_at_ns <= now_ns() ? 0 : 1;
    return SUCCESS;
}
API aclrtGetStreamOverflowSwitch(void *stream, uint32_t *flag) { (void)stream; *flag = 0; return 0; }
API aclrtCreateEventExWithFlag(void **event, uint32_t flag) {
    (void)flag;
    *event = calloc(1, sizeof(event_t));
    return SUCCESS;
}
API aclrtCreateEventWithFlag(void **event, uint32_t flag) { return aclrtCreateEventExWithFlag(event, flag); }
API aclrtCreateEvent(void **event) { return aclrtCreateEventExWithFlag(event, 0); }
API aclrtDestroyEvent(void *event) { free(event); return SUCCESS; }
API aclrtRecordEvent(event_t *event, stream_t *stream) {
    if (captures_event(event, stream)) return SUCCESS;
    int64_t free_at = (stream ? stream : &device_default)->free_at_ns, now = now_ns();
    event->at_ns = free_at > now ? free_at : now;
    event->recorded = 1;
    return SUCCESS;
}
API aclrtResetEvent(event_t *event, void *stream) { (void)stream; event->recorded = 0; return SUCCESS; }
API aclrtQueryEventStatus(event_t *event, int32_t *status) {
    API refused = refused_event(event, "aclrtQueryEventStatus");
    if (refused) return refused;
    *status = event->at_ns <= now_ns(); /* 1: complete */
    return SUCCESS;
}
API aclrtQueryEvent(event_t *event, int32_t *status) { *status = event->at_ns > now_ns(); return SUCCESS; }
API aclrtQueryEventWaitStatus(event_t *event, int32_t *status) {
    *status = event->at_ns > now_ns() ? 0xffff : 0;
    return SUCCESS;
}
API aclrtSynchronizeEvent(event_t *event) {
    API refused = refused_event(event, "aclrtSynchronizeEvent");
    if (refused) return refused;
    sleep_until_ns(event->at_ns);
    return SUCCESS;
}
API aclrtEventElapsedTime(float *ms, event_t *from, event_t *to) {
    *ms = (float)(to->at_ns - from->at_ns) / 1e6f;
    return SUCCESS;
}
API aclrtEventGetTimestamp(event_t *event, uint64_t *us) { *us = (uint64_t)event->at_ns / 1000; return 0; }
API aclrtStreamWaitEvent(stream_t *stream, event_t *event) {
    if (!stream) stream = &device_default;
    int done;
    API refused = waits_in_capture(stream, event, &done);
    if (done) return refused;
    if (event->at_ns > stream->free_at_ns) stream->free_at_ns = event->at_ns;
    return SUCCESS;
}
API aclrtLaunchCallback(void (*call)(void *), void *data, int32_t block, void *stream) {
    (void)block, (void)stream;
    call(data);
    return SUCCESS;
}
API aclrtProcessReport(int32_t timeout_ms) {
    usleep((useconds_t)(timeout_ms > 0 && timeout_ms < 100 ? timeout_ms : 100) * 1000);
    return SUCCESS;
}

/* --- copies: real bytes at once, transfer time on the stream --- */
typedef struct { void *to; const void *from; size_t size; int32_t value; } copy_t;
static void move(const void *what) {
    const copy_t *copy = what;
    if (copy->from) memmove(copy->to, copy->from, copy->size);
    else memset(copy->to, copy->value, copy->size);
}
static int64_t transfer_ns(size_t size, int32_t kind) {
    int64_t rate = kind == 1 || kind == 2 ? parameters.pcie_gbytes_s : parameters.gbytes_s;
    return (int64_t)size / (rate ? rate : 1) + 2000;
}
/* Was it taken by aclrtMallocHost? What is not can be paged out before a replay reads it. */
static int is_pinned(const void *at) {
    int pinned = 0;
    pthread_mutex_lock(&memory);
    for (size_t i = 0; i < block_count; i++) {
        const char *begin = blocks[i].at;
        pinned |= blocks[i].host && (const char *)at >= begin && (const char *)at < begin + blocks[i].size;
    }
    pthread_mutex_unlock(&memory);
    return pinned;
}
API aclrtMemcpy(void *to, size_t room, const void *from, size_t size, int32_t kind) {
    if (size > room) return INVALID_PARAM;
    count("memcpy", kind == 1 ? "h2d" : kind == 2 ? "d2h" : "other");
    API refused = refused_while_any_captures("aclrtMemcpy");
    if (refused) return refused;
    sleep_until_ns(device_default.free_at_ns);
    memmove(to, from, size);
    device_work(NULL, transfer_ns(size, kind));
    sleep_until_ns(device_default.free_at_ns);
    return SUCCESS;
}
API aclrtMemcpyAsync(void *to, size_t room, const void *from, size_t size, int32_t kind, stream_t *s) {
    if (size > room) return INVALID_PARAM;
    count("memcpy-async", kind == 1 ? "h2d" : kind == 2 ? "d2h" : "other");
    copy_t copy = {to, from, size, 0};
    if ((kind == 1 && !is_pinned(from)) || (kind == 2 && !is_pinned(to))) {
        API refused = refused_while_capturing(s, "aclrtMemcpyAsync of memory that is not pinned");
        if (refused) return refused;
    }
    if (keep(s, move, &copy, sizeof copy, transfer_ns(size, kind))) return SUCCESS;
    move(&copy);
    device_work(s, transfer_ns(size, kind));
    return SUCCESS;
}
API aclrtMemcpyAsyncWithCondition(void *to, size_t room, const void *from, size_t size, int32_t kind,
                                  stream_t *s) {
    return aclrtMemcpyAsync(to, room, from, size, kind, s);
}
API aclrtMemset(void *at, size_t room, int32_t value, size_t size) {
    if (size > room) return INVALID_PARAM;
    API refused = refused_while_any_captures("aclrtMemset");
    if (refused) return refused;
    memset(at, value, size);
    return SUCCESS;
}
API aclrtMemsetAsync(void *at, size_t room, int32_t value, size_t size, stream_t *s) {
    if (size > room) return INVALID_PARAM;
    copy_t fill = {at, NULL, size, value};
    if (keep(s, move, &fill, sizeof fill, 2000)) return SUCCESS;
    move(&fill);
    device_work(s, 2000);
    return SUCCESS;
}

/* --- profiler and markers: accepted, nothing is collected --- */
void *aclprofCreateConfig(void) { count("prof", "config"); return calloc(1, 64); }
void *aclprofCreateStepInfo(void) { return calloc(1, 64); }
API aclprofGetSupportedFeatures(size_t *size, void **features) {
    static char none[64];
    *size = 0, *features = none;
    return SUCCESS;
}
uint64_t mstxRangeStartA(const char *message, void *stream) { (void)message, (void)stream; return 1; }
