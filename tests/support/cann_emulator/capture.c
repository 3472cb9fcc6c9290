/* Graph capture: a launch on a capturing stream is kept, not run; a replay runs what was kept.
 *
 * Rules and error numbers are those of CANN's documentation of aclmdlRICaptureBegin and of its error
 * codes. What it refuses while a stream captures invalidates the capture, so that ending it fails too.
 */
#include "emulator.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define GLOBAL_MODE 0
#define RELAXED_MODE 2
enum status { NOT_CAPTURING, ACTIVE, INVALIDATED };

typedef struct { void (*run)(const void *); void *what; int64_t cost_ns; } task_t;
typedef struct graph {
    task_t *tasks;
    int64_t count, room, unjoined; /* unjoined: streams with work that the first one does not wait for */
    int invalid;
    stream_t *first;
} graph_t;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int64_t underway; /* captures in a mode that forbids what is unsafe */
static __thread int mode = GLOBAL_MODE;

static graph_t *graph_of(const stream_t *stream) { return stream ? stream->graph : NULL; }

int32_t refused_while_capturing(const stream_t *stream, const char *what) {
    graph_t *graph = graph_of(stream);
    if (!graph) return SUCCESS;
    graph->invalid = 1;
    error_message("EE1016: %s: the stream is being captured", what);
    return STREAM_CAPTURED;
}
int32_t refused_while_any_captures(const char *what) {
    if (!underway || mode == RELAXED_MODE) return SUCCESS;
    error_message("EE1016: %s: not while a stream is captured in this mode", what);
    return CAPTURE_MODE_NOT_SUPPORT;
}

int keep(stream_t *stream, void (*run)(const void *), const void *what, size_t size, int64_t cost_ns) {
    graph_t *graph = graph_of(stream);
    if (!graph) return 0;
    pthread_mutex_lock(&mutex);
    if (graph->count == graph->room)
        graph->tasks = realloc(graph->tasks, (size_t)(graph->room = 2 * graph->room + 64) * sizeof(task_t));
    void *copy = memcpy(malloc(size), what, size);
    graph->tasks[graph->count++] = (task_t){run, copy, cost_ns};
    if (stream != graph->first && !stream->behind) stream->behind = 1, graph->unjoined++;
    pthread_mutex_unlock(&mutex);
    count("graph", "kept");
    return 1;
}

/* --- events carry a capture from stream to stream --- */
int captures_event(event_t *event, stream_t *stream) {
    event->graph = graph_of(stream);
    event->from = event->graph ? stream : NULL;
    return event->graph != NULL;
}
int32_t waits_in_capture(stream_t *stream, event_t *event, int *done) {
    graph_t *graph = graph_of(stream);
    *done = graph || event->graph;
    if (!*done) return SUCCESS;
    if (!event->graph) { /* of work that no replay would repeat */
        graph->invalid = 1;
        error_message("EE1016: a captured stream waits for an event that was not captured");
        return CAPTURE_DEPENDENCY;
    }
    if (graph && graph != event->graph) return CAPTURE_CONFLICT;
    if (!graph) stream->graph = event->graph; /* it joins */
    if (stream == event->graph->first && event->from->behind) {
        event->from->behind = 0;
        event->graph->unjoined--;
    }
    return SUCCESS;
}
int32_t refused_event(const event_t *event, const char *what) {
    if (!event->graph || !event->graph->first) return SUCCESS;
    event->graph->invalid = 1;
    error_message("EE1016: %s: the event is captured", what);
    return EVENT_CAPTURED;
}

/* --- what torch_npu calls --- */
int32_t aclmdlRICaptureBegin(stream_t *stream, int32_t wanted) {
    count("graph", "begin");
    if (strstr(parameters.soc, "310") || !strncmp(parameters.soc, "Ascend910A", 10)) return NOT_SUPPORTED;
    if (!stream || stream == default_stream()) return CAPTURE_IMPLICIT;
    if (stream->graph) return STREAM_CAPTURED;
    graph_t *graph = calloc(1, sizeof *graph);
    graph->first = stream;
    stream->graph = graph;
    if (wanted != RELAXED_MODE) __sync_add_and_fetch(&underway, 1);
    stream->unsafe_forbidden = wanted != RELAXED_MODE;
    return SUCCESS;
}
int32_t aclmdlRICaptureGetInfo(stream_t *stream, int32_t *status, void **model) {
    graph_t *graph = graph_of(stream);
    *status = !graph ? NOT_CAPTURING : graph->invalid ? INVALIDATED : ACTIVE;
    if (model) *model = graph;
    return SUCCESS;
}
int32_t aclmdlRICaptureEnd(stream_t *stream, void **model) {
    graph_t *graph = graph_of(stream);
    *model = NULL;
    if (!graph) return STREAM_NOT_CAPTURED;
    if (graph->first != stream) return CAPTURE_UNMATCHED;
    if (stream->unsafe_forbidden) __sync_sub_and_fetch(&underway, 1);
    leave_capture(graph);
    graph->first = NULL; /* its events are no longer of a capture */
    if (graph->invalid) return CAPTURE_INVALIDATED;
    if (graph->unjoined) return STREAM_UNJOINED;
    *model = graph;
    return SUCCESS;
}
int32_t aclmdlRICaptureThreadExchangeMode(int32_t *other) {
    int before = mode;
    mode = *other, *other = before;
    return SUCCESS;
}
/* One call of the host for all that was captured. */
int32_t aclmdlRIExecuteAsync(graph_t *graph, stream_t *stream) {
    if (graph_of(stream)) return refused_while_capturing(stream, "aclmdlRIExecuteAsync");
    count("graph", "replay");
    hold_us(parameters.replay_us);
    int64_t cost_ns = 0;
    for (int64_t i = 0; i < graph->count; i++) {
        graph->tasks[i].run(graph->tasks[i].what);
        cost_ns += graph->tasks[i].cost_ns;
    }
    device_work(stream, cost_ns);
    return SUCCESS;
}
int32_t aclmdlRIDestroy(graph_t *graph) {
    for (int64_t i = 0; i < graph->count; i++) free(graph->tasks[i].what);
    free(graph->tasks);
    graph->tasks = NULL, graph->count = graph->room = 0; /* itself stays: events may name it */
    return SUCCESS;
}
int32_t aclmdlRIDebugPrint(graph_t *graph) { (void)graph; return SUCCESS; }
