/* One zstd frame of libzstd, linked statically. */
#define ZSTD_STATIC_LINKING_ONLY
#include "capture/output/output.h"
#include "capture/output/sink.h"

#include <errno.h>
#include <zstd.h>

enum {
    LEVEL = 1,
    WINDOW_LOG = 20, /* 1 MiB: what is packed is mostly alike within pages, and memory is bounded */
    OUT_SIZE = 1 << 17,
};

static ZSTD_CCtx *context;

bool pack_begin(uint64_t total, struct failure *failure) {
    context = ZSTD_createCCtx();
    *failure = (struct failure){"packing", ENOMEM, "there is no memory to pack with"};
    return context != NULL &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, WINDOW_LOG)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)) &&
           !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(context, total));
}

static bool run(const void *data, size_t size, ZSTD_EndDirective how, struct failure *failure) {
    static char out[OUT_SIZE];
    ZSTD_inBuffer input = {data, size, 0};
    for (;;) {
        ZSTD_outBuffer output = {out, sizeof out, 0};
        const size_t left = ZSTD_compressStream2(context, &output, &input, how);
        if (ZSTD_isError(left)) {
            *failure = (struct failure){"packing", ENOMEM, ZSTD_getErrorName(left)};
            return false;
        }
        if (output.pos > 0 && !output_write(out, output.pos, failure)) return false;
        if (how == ZSTD_e_end ? left == 0 : input.pos == input.size) return true;
    }
}

bool pack(const void *data, size_t size, struct failure *failure) {
    return run(data, size, ZSTD_e_continue, failure);
}

bool pack_end(struct failure *failure) { return run(NULL, 0, ZSTD_e_end, failure); }
