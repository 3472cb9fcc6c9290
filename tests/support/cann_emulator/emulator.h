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
#define CAPTURE_DEPENDENCY 107024
#define STREAM_UNJOINED 107025
#define STREAM_CAPTURED 107027
#define EVENT_CAPTURED 107028
#define STREAM_NOT_CAPTURED 107029
#define CAPTURE_MODE_NOT_SUPPORT 107030
#define CAPTURE_IMPLICIT 107031
#define CAPTURE_CONFLICT 107032
#define CAPTURE_UNMATCHED 107036
#define CAPTURE_INVALIDATED 107039 /* named in CANN's own tests; its number is not published */
#define NOT_SUPPORTED 207000
#define OUT_OF_MEMORY 207001
#define DEVICE_SETUP_FAILED 507033
#define OPERATOR_FAILED 561103

/* Parameters: `name=value` pairs, space separated, in the environment variable EMULATED_CANN. */
struct parameters {
    char soc[32], cann[32], driver[32], stats[256], fail[96];
    int64_t devices, memory_mb, depth, fail_call, numerics, burn;
    int64_t phase1_us, phase2_us, aclop_us, cold_us, compile_us, load_us;
    int64_t kernel_us, gflops, gbytes_s, pcie_gbytes_s, replay_us;
    char jit[8], kernel_cache[256];
    char physical_ids[64], pci_bus_ids[256]; /* one for each device, comma separated; "": as counted */
    char one_process[256]; /* folder of locks: a device takes one process at a time; "": any number */
};
extern struct parameters parameters;

struct graph;
/* graph: what it captures into. behind: has it captured work that the first stream awaits not yet? */
typedef struct {
    int64_t free_at_ns, id, ends_ns[1024], next;
    struct graph *graph;
    int behind, unsafe_forbidden;
} stream_t;
/* graph: where it was recorded in a capture, on `from`. */
typedef struct { int64_t at_ns, recorded; struct graph *graph; stream_t *from; } event_t;

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
void leave_capture(const struct graph *graph);     /* every stream that captures into it */

/* capture.c. keep: is the work of a capturing stream, and kept? Then it is not to be run now. */
int keep(stream_t *stream, void (*run)(const void *), const void *what, size_t size, int64_t cost_ns);
int32_t refused_while_capturing(const stream_t *stream, const char *what); /* invalidates the capture */
int32_t refused_while_any_captures(const char *what);
int32_t refused_event(const event_t *event, const char *what);
int captures_event(event_t *event, stream_t *stream);
int32_t waits_in_capture(stream_t *stream, event_t *event, int *done);

#endif
