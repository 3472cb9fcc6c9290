/* An emulated CANN: the C interface that torch_npu calls, with an invented device behind it.
 *
 * Times are virtual where the device is concerned: a stream is one "free from" moment, a launch moves
 * it on, a synchronise sleeps until it. What the host pays is paid for real, on the thread that calls.
 */
#ifndef EMULATOR_H
#define EMULATOR_H

#include <stddef.h>
#include <stdint.h>

#define SUCCESS 0
#define REPEAT_INITIALIZE 100002
#define INVALID_PARAM 107000
#define INVALID_DEVICE 107001
#define NOT_SUPPORTED 207000
#define OUT_OF_MEMORY 207001
#define DEVICE_SETUP_FAILED 507033
#define OPERATOR_FAILED 561103

/* Parameters: `name=value` pairs, space separated, in the environment variable EMULATED_CANN. */
struct parameters {
    char soc[32], cann[32], driver[32], stats[256], fail[96];
    int64_t devices, memory_mb, depth, fail_call, numerics, burn;
    int64_t phase1_us, phase2_us, aclop_us, cold_us, compile_us, load_us;
    int64_t kernel_us, gflops, gbytes_s, pcie_gbytes_s;
    char jit[8], kernel_cache[256];
    char physical_ids[64], pci_bus_ids[256]; /* one for each device, comma separated; "": as counted */
    char one_process[256]; /* folder of locks: a device takes one process at a time; "": any number */
};
extern struct parameters parameters;

typedef struct { int64_t free_at_ns, id; int64_t ends_ns[1024]; int64_t next; } stream_t;

int64_t now_ns(void);
void hold_us(int64_t us);                           /* the host works; the thread is kept */
void sleep_until_ns(int64_t moment_ns);
void device_work(stream_t *stream, int64_t cost_ns); /* blocks while the stream's queue is full */
int64_t count(const char *kind, const char *name);  /* -> how often, in this process; per thread kept */
int first_sight(const char *kind, uint64_t key);    /* has this process not met the key before? */
int failure(const char *name, const char *phase);   /* is this call to fail, by `fail` and `fail_call`? */
void error_message(const char *format, ...);
uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t size);
stream_t *default_stream(void);

#endif
