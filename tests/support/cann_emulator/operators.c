/* Operators: the two phases of aclnn, compile-and-execute of aclop, costs, and the numerics of a few. */
#define _GNU_SOURCE
#include "emulator.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DIMS 8
#define RECENT 128 /* objects made on a thread that phase 1 may still name */
#define ARGUMENTS 28
#define FLOAT32 0

enum kind { TENSOR = 1, INT_ARRAY, SCALAR, LIST };
typedef struct {
    enum kind kind;
    int32_t type, format;
    int64_t rank, shape[DIMS], stride[DIMS];
    char *data;
    double value;
} object_t;

typedef struct {
    int arguments;
    object_t of[ARGUMENTS];       /* copies: torch_npu may destroy the objects after phase 1 */
    int64_t word[ARGUMENTS];      /* what is no object: integers and flags */
    uint64_t key;
    const char *name;
} executor_t;

static __thread object_t *recent[RECENT];
static __thread unsigned recent_count;

static object_t *make(enum kind kind) {
    object_t *made = calloc(1, sizeof *made);
    made->kind = kind;
    recent[recent_count++ % RECENT] = made;
    return made;
}
static int32_t destroy(const void *object) {
    for (int i = 0; i < RECENT; i++)
        if (recent[i] == object) recent[i] = NULL;
    free((void *)object);
    return SUCCESS;
}
static const object_t *known(int64_t word) {
    for (int i = 0; i < RECENT; i++)
        if (word && recent[i] == (object_t *)word) return recent[i];
    return NULL;
}

static size_t bytes_of(int32_t type) {
    static const size_t sizes[] = {4, 2, 1, 4, 1, 0, 2, 2, 4, 8, 8, 8, 1, 0, 1, 1, 8, 16};
    return type >= 0 && type < 18 ? sizes[type] : type == 27 ? 2 : 4;
}

/* --- objects of aclnn --- */
void *aclCreateTensor(const int64_t *shape, uint64_t rank, int32_t type, const int64_t *stride,
                      int64_t offset, int32_t format, const int64_t *storage, uint64_t storage_rank,
                      void *data) {
    (void)storage, (void)storage_rank;
    object_t *made = make(TENSOR);
    made->rank = rank < DIMS ? (int64_t)rank : DIMS;
    for (int64_t i = 0; i < made->rank; i++)
        made->shape[i] = shape[i], made->stride[i] = stride ? stride[i] : 0;
    made->type = type, made->format = format;
    made->data = (char *)data + offset * (int64_t)bytes_of(type);
    return made;
}
void *aclCreateIntArray(const int64_t *values, uint64_t size) {
    object_t *made = make(INT_ARRAY);
    made->rank = size < DIMS ? (int64_t)size : DIMS;
    for (int64_t i = 0; i < made->rank; i++) made->shape[i] = values[i];
    return made;
}
void *aclCreateScalar(void *value, int32_t type) {
    object_t *made = make(SCALAR);
    made->type = type;
    made->value = type == FLOAT32 ? *(float *)value : type == 11 ? *(double *)value
                : type == 9 ? (double)*(int64_t *)value : type == 3 ? *(int32_t *)value : 0;
    return made;
}
void *aclCreateFloatArray(const float *v, uint64_t n) { (void)v, (void)n; return make(LIST); }
void *aclCreateBoolArray(const uint8_t *v, uint64_t n) { (void)v, (void)n; return make(LIST); }
void *aclCreateTensorList(const void *const *v, uint64_t n) { (void)v, (void)n; return make(LIST); }
void *aclCreateScalarList(const void *const *v, uint64_t n) { (void)v, (void)n; return make(LIST); }
int32_t aclDestroyTensor(const void *o) { return destroy(o); }
int32_t aclDestroyIntArray(const void *o) { return destroy(o); }
int32_t aclDestroyScalar(const void *o) { return destroy(o); }
int32_t aclDestroyFloatArray(const void *o) { return destroy(o); }
int32_t aclDestroyBoolArray(const void *o) { return destroy(o); }
int32_t aclDestroyTensorList(const void *o) { return destroy(o); }
int32_t aclDestroyScalarList(const void *o) { return destroy(o); }
int32_t aclGetFormat(const object_t *tensor, int32_t *format) { *format = tensor->format; return 0; }
int32_t aclGetViewShape(const object_t *tensor, int64_t **shape, uint64_t *rank) {
    *rank = (uint64_t)tensor->rank;
    *shape = malloc(DIMS * sizeof **shape);
    memcpy(*shape, tensor->shape, sizeof tensor->shape);
    return SUCCESS;
}
int32_t InitHugeMemThreadLocal(void *a, int b) { (void)a, (void)b; return 0; }
void UnInitHugeMemThreadLocal(void *a, int b) { (void)a, (void)b; }
void ReleaseHugeMem(void *a, int b) { (void)a, (void)b; }

/* --- what an operator costs the device: the larger of arithmetic and memory traffic --- */
static int64_t elements(const object_t *one) {
    int64_t all = 1;
    for (int64_t i = 0; i < one->rank; i++) all *= one->shape[i];
    return all;
}
static int64_t device_cost_ns(const char *name, const object_t *of, int n) {
    double bytes = 0, flops = 0;
    for (int i = 0; i < n; i++)
        if (of[i].kind == TENSOR) bytes += (double)elements(&of[i]) * (double)bytes_of(of[i].type);
    const object_t *last = NULL;
    for (int i = n - 1; i >= 0 && !last; i--)
        if (of[i].kind == TENSOR) last = &of[i];
    if (strstr(name, "onv") && n > 1 && of[1].kind == TENSOR && last && of[1].rank > 1)
        flops = 2.0 * (double)elements(last) * (double)elements(&of[1]) / (double)of[1].shape[0];
    if (strstr(name, "mm") || strstr(name, "Mm") || strstr(name, "atMul") || strstr(name, "atmul"))
        if (last && n > 1 && of[1].rank > 1) flops = 2.0 * (double)elements(last) * (double)of[1].shape[0];
    double arithmetic_ns = flops / (double)(parameters.gflops ? parameters.gflops : 1);
    double traffic_ns = bytes / (double)(parameters.gbytes_s ? parameters.gbytes_s : 1);
    return parameters.kernel_us * 1000 + (int64_t)fmax(arithmetic_ns, traffic_ns);
}

/* --- the numerics of a small convnet, in float32 --- */
static float *at(const object_t *t, int64_t a, int64_t b, int64_t c, int64_t d) {
    const int64_t *s = t->stride;
    return (float *)t->data + a * s[0] + b * s[1] + (t->rank > 2 ? c * s[2] : 0) + (t->rank > 3 ? d * s[3] : 0);
}
static void convolve(const object_t *in, const object_t *weight, const object_t *bias, const object_t *stride,
                     const object_t *padding, const object_t *out) {
    for (int64_t n = 0; n < out->shape[0]; n++)
    for (int64_t o = 0; o < out->shape[1]; o++)
    for (int64_t y = 0; y < out->shape[2]; y++)
    for (int64_t x = 0; x < out->shape[3]; x++) {
        float sum = bias->kind ? ((float *)bias->data)[o] : 0;
        for (int64_t i = 0; i < weight->shape[1]; i++)
        for (int64_t v = 0; v < weight->shape[2]; v++)
        for (int64_t u = 0; u < weight->shape[3]; u++) {
            int64_t row = y * stride->shape[0] + v - padding->shape[0];
            int64_t column = x * stride->shape[1] + u - padding->shape[1];
            if (row >= 0 && row < in->shape[2] && column >= 0 && column < in->shape[3])
                sum += *at(in, n, i, row, column) * *at(weight, o, i, v, u);
        }
        *at(out, n, o, y, x) = sum;
    }
}
static void multiply(const object_t *add, const object_t *a, const object_t *b, const object_t *out) {
    for (int64_t n = 0; n < out->shape[0]; n++)
    for (int64_t m = 0; m < out->shape[1]; m++) {
        float sum = !add ? 0 : add->rank == 1 ? ((float *)add->data)[m * add->stride[0]] : *at(add, n, m, 0, 0);
        for (int64_t k = 0; k < a->shape[1]; k++) sum += *at(a, n, k, 0, 0) * *at(b, k, m, 0, 0);
        *at(out, n, m, 0, 0) = sum;
    }
}
static void rectify(const object_t *in, const object_t *out) {
    for (int64_t i = 0; i < elements(in); i++) {
        float value = ((float *)in->data)[i];
        ((float *)out->data)[i] = value > 0 ? value : 0;
    }
}
static void copy(const object_t *to, const object_t *from) {
    size_t width = bytes_of(to->type);
    for (int64_t all = elements(to), n = 0; n < all; n++) {
        int64_t rest = n, into = 0, out_of = 0;
        for (int64_t i = to->rank - 1, j = from->rank - 1; i >= 0; i--, j--) {
            int64_t at = rest % to->shape[i];
            rest /= to->shape[i];
            into += at * to->stride[i];
            if (j >= 0 && from->shape[j] > 1) out_of += at * from->stride[j];
        }
        memcpy(to->data + (size_t)into * width, from->data + (size_t)out_of * width, width);
    }
}
/* What is not computed becomes zeros: the same in every run. The output is the last tensor. */
static void clear(const char *name, const object_t *of, int n) {
    const object_t *out = NULL;
    for (int i = 0; i < n && !(out && strstr(name, "Inplace")); i++)
        if (of[i].kind == TENSOR) out = &of[i];
    int64_t dense = 1;
    for (int64_t i = out ? out->rank - 1 : -1; i >= 0; i--) {
        if (out->shape[i] > 1 && out->stride[i] != dense) return;
        dense *= out->shape[i];
    }
    if (out) memset(out->data, 0, (size_t)dense * bytes_of(out->type));
}
static void compute(const char *name, const object_t *of, int n) {
    int real = parameters.numerics && n > 1 && of[0].kind == TENSOR && of[0].type == FLOAT32;
    if (real && !strcmp(name, "aclnnConvolution") && n > 9 && of[0].rank == 4)
        convolve(&of[0], &of[1], &of[2], &of[3], &of[4], &of[9]);
    else if (real && !strcmp(name, "aclnnAddmm") && n > 5)
        multiply(&of[0], &of[1], &of[2], &of[5]);
    else if (real && (!strcmp(name, "aclnnMatmul") || !strcmp(name, "aclnnMm")))
        multiply(NULL, &of[0], &of[1], &of[2]);
    else if (real && !strcmp(name, "aclnnRelu"))
        rectify(&of[0], &of[1]);
    else if (!strcmp(name, "aclnnInplaceCopy") && n > 1 && of[0].type == of[1].type)
        copy(&of[0], &of[1]);
    else
        clear(name, of, n);
}

/* --- aclnn: one generic pair of phases serves every operator --- */

/* The last two arguments of phase 1 point at the caller's zeroed (workspace size, executor). */
static int executor_place(const int64_t *words) {
    int64_t here = (int64_t)__builtin_frame_address(0);
    for (int i = 0; i + 1 < ARGUMENTS; i++) {
        int64_t a = words[i], b = words[i + 1], apart = a > b ? a - b : b - a;
        if (a == b || (a | b) & 7 || a < here || b < here) continue;
        if (a - here > 65536 || b - here > 65536 || apart > 512) continue;
        if (!*(int64_t *)a && !*(int64_t *)b) return i;
    }
    return -1;
}
int32_t emulated_phase1(const char *name, const int64_t *words) {
    int place = executor_place(words);
    count("aclnn-1", name);
    if (place < 0) {
        count("aclnn-without-executor", name);
        return SUCCESS;
    }
    executor_t *made = calloc(1, sizeof *made);
    made->arguments = place;
    made->key = hash_bytes(0, name, strlen(name));
    for (int i = 0; i < place; i++) {
        const object_t *one = known(words[i]);
        made->word[i] = words[i];
        if (!one) continue;
        made->of[i] = *one;
        made->key = hash_bytes(made->key, one->shape, sizeof one->shape);
    }
    if (first_sight("aclnn", made->key)) {
        count("aclnn-cold", name);
        hold_us(parameters.cold_us);
    }
    hold_us(parameters.phase1_us);
    int32_t failed = failure(name, "1");
    *(void **)words[place + 1] = made;
    return failed;
}
static void run(const void *what) {
    const executor_t *executor = what;
    compute(executor->name, executor->of, executor->arguments);
}
int32_t emulated_phase2(const char *name, executor_t *executor, stream_t *stream) {
    count("aclnn-2", name);
    hold_us(parameters.phase2_us);
    int32_t failed = failure(name, "2");
    if (executor) {
        int64_t cost_ns = device_cost_ns(name, executor->of, executor->arguments);
        executor->name = name;
        if (!keep(stream, run, executor, sizeof *executor, cost_ns)) {
            run(executor);
            device_work(stream, cost_ns);
        }
        free(executor);
    }
    return failed;
}

/* --- aclop: descriptions, attributes, compile options, compile-and-execute --- */
typedef struct { uint64_t hash; } attribute_t;
typedef struct { void *data; size_t size; } buffer_t;

void *aclCreateTensorDesc(int32_t type, int rank, const int64_t *shape, int32_t format) {
    object_t *made = calloc(1, sizeof *made);
    made->kind = TENSOR, made->type = type, made->format = format;
    made->rank = rank < DIMS ? rank : DIMS;
    for (int64_t i = 0; i < made->rank; i++) made->shape[i] = shape[i];
    return made;
}
void aclDestroyTensorDesc(const void *description) { free((void *)description); }
int32_t aclGetTensorDescType(const object_t *d) { return d->type; }
int32_t aclGetTensorDescFormat(const object_t *d) { return d->format; }
size_t aclGetTensorDescNumDims(const object_t *d) { return (size_t)d->rank; }
int32_t aclGetTensorDescDimV2(const object_t *d, size_t i, int64_t *size) { *size = d->shape[i]; return 0; }
int64_t aclGetTensorDescDim(const object_t *d, size_t i) { return d->shape[i]; }
int32_t aclSetTensorFormat(object_t *d, int32_t format) { d->format = format; return SUCCESS; }
int32_t aclSetTensorShape(object_t *d, int rank, const int64_t *shape) { (void)d, (void)rank, (void)shape; return 0; }
void aclSetTensorDescName(object_t *d, const char *name) { (void)d, (void)name; }
void *aclCreateDataBuffer(void *data, size_t size) {
    buffer_t *made = malloc(sizeof *made);
    made->data = data, made->size = size;
    return made;
}
int32_t aclDestroyDataBuffer(const void *buffer) { free((void *)buffer); return SUCCESS; }
void *aclGetDataBufferAddr(const buffer_t *buffer) { return buffer->data; }
void *aclopCreateAttr(void) { return calloc(1, sizeof(attribute_t)); }
void aclopDestroyAttr(const void *attribute) { free((void *)attribute); }
static int32_t mix(attribute_t *a, const char *name, const void *value, size_t size) {
    a->hash = hash_bytes(hash_bytes(a->hash, name, strlen(name)), value, size);
    return SUCCESS;
}
int32_t aclopSetAttrBool(void *a, const char *n, uint8_t v) { return mix(a, n, &v, 1); }
int32_t aclopSetAttrInt(void *a, const char *n, int64_t v) { return mix(a, n, &v, 8); }
int32_t aclopSetAttrFloat(void *a, const char *n, float v) { return mix(a, n, &v, 4); }
int32_t aclopSetAttrDataType(void *a, const char *n, int32_t v) { return mix(a, n, &v, 4); }
int32_t aclopSetAttrString(void *a, const char *n, const char *v) { return mix(a, n, v, strlen(v)); }
int32_t aclopSetAttrListInt(void *a, const char *n, int s, const int64_t *v) { return mix(a, n, v, (size_t)s * 8); }
int32_t aclopSetAttrListFloat(void *a, const char *n, int s, const float *v) { return mix(a, n, v, (size_t)s * 4); }
int32_t aclopSetAttrListBool(void *a, const char *n, int s, const uint8_t *v) { return mix(a, n, v, (size_t)s); }

#define JIT_COMPILE 10
#define CACHE_MODE 7
#define CACHE_DIR 8
static char options[64][256];

/* On by default on 910A and 310P, off on A2 (910B) and A3 (910_93). */
static const char *default_jit(void) {
    if (*parameters.jit) return parameters.jit;
    return strstr(parameters.soc, "910B") || strstr(parameters.soc, "910_93") ? "disable" : "enable";
}
static const char *option(int32_t which) {
    const char *set = which >= 0 && which < 64 ? options[which] : "";
    return which == JIT_COMPILE && !*set ? default_jit() : set;
}
int32_t aclSetCompileopt(int32_t which, const char *value) {
    count("compileopt", value);
    if (which >= 0 && which < 64) snprintf(options[which], sizeof options[which], "%s", value);
    return SUCCESS;
}
size_t aclGetCompileoptSize(int32_t which) { return strlen(option(which)) + 1; }
int32_t aclGetCompileopt(int32_t which, char *value, size_t size) {
    snprintf(value, size, "%s", option(which));
    return SUCCESS;
}

/* A kernel that another process has compiled lies in the cache folder. */
static void compile(const char *type, uint64_t key) {
    const char *folder = *parameters.kernel_cache ? parameters.kernel_cache : option(CACHE_DIR);
    char path[600];
    struct stat found;
    snprintf(path, sizeof path, "%s/%s-%016llx.o", folder, type, (unsigned long long)key);
    int usable = *folder && strcmp(option(CACHE_MODE), "disable");
    if (usable && strcmp(option(CACHE_MODE), "force") && !stat(path, &found)) {
        count("compile-disk-hit", type);
        return hold_us(parameters.load_us);
    }
    count("compile", type);
    hold_us(parameters.compile_us);
    FILE *kernel = usable ? fopen(path, "w") : NULL;
    if (kernel) fclose(kernel);
}
int32_t aclopCompileAndExecute(const char *type, int inputs, const object_t *const in[], const void *const *ib,
                               int outputs, const object_t *const out[], void *const *ob,
                               const attribute_t *attribute, int32_t engine, int32_t flag,
                               const char *path, stream_t *stream) {
    (void)ib, (void)engine, (void)flag, (void)path;
    object_t of[ARGUMENTS];
    int n = 0;
    uint64_t key = hash_bytes(attribute ? attribute->hash : 0, type, strlen(type));
    for (int i = 0; i < inputs && n < ARGUMENTS; i++) of[n++] = *in[i];
    for (int i = 0; i < outputs && n < ARGUMENTS; i++) of[n++] = *out[i];
    for (int i = 0; i < n; i++) key = hash_bytes(key, of[i].shape, sizeof of[i].shape);
    count("aclop", type);
    if (refused_while_capturing(stream, type)) return CAPTURE_MODE_NOT_SUPPORT;
    if (!strcmp(option(JIT_COMPILE), "enable")) {
        if (first_sight("kernel", key)) compile(type, key);
    } else if (first_sight("binary", key)) {
        count("binload", type);
        hold_us(parameters.load_us);
    }
    hold_us(parameters.aclop_us);
    for (int i = 0; i < outputs; i++) {
        const buffer_t *buffer = ob[i];
        if (buffer && buffer->data) memset(buffer->data, 0, buffer->size);
    }
    device_work(stream, device_cost_ns(type, of, n));
    return failure(type, "1");
}
int32_t aclopCompileAndExecuteV2(const char *type, int inputs, object_t *in[], void **ib, int outputs,
                                 object_t *out[], void **ob, attribute_t *attribute, int32_t engine,
                                 int32_t flag, const char *path, stream_t *stream) {
    return aclopCompileAndExecute(type, inputs, (const object_t *const *)in, (const void *const *)ib, outputs,
                                  (const object_t *const *)out, ob, attribute, engine, flag, path, stream);
}
