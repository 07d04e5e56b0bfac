/* A zstd frame that needs no library: raw blocks, and runs of zeros in four bytes (RFC 8878). */
#include "capture/output/output.h"
#include "capture/output/sink.h"

#include <errno.h>
#include <string.h>

enum {
    BLOCK = 1 << 17, /* Block_Maximum_Size of any window */
    SIZE_IN_8_BYTES = 3 << 6,
    WINDOW_1_MIB = 10 << 3, /* Window_Descriptor: exponent 10, mantissa 0 */
    RAW = 0,
    RUN = 1,
    LAST = 1,
};
static const unsigned char MAGIC[] = {0x28, 0xb5, 0x2f, 0xfd};

static struct {
    uint64_t left; /* bytes that are still to come, those in the block included */
    size_t filled;
    unsigned char block[BLOCK];
} state;

bool pack_begin(uint64_t total, struct failure *failure) {
    unsigned char header[sizeof MAGIC + 2 + 8];
    memcpy(header, MAGIC, sizeof MAGIC);
    header[4] = SIZE_IN_8_BYTES;
    header[5] = WINDOW_1_MIB;
    for (int i = 0; i < 8; i++) header[6 + i] = (unsigned char)(total >> 8 * i);
    state.left = total;
    state.filled = 0;
    return output_write(header, sizeof header, failure);
}

static bool is_run(void) {
    return state.filled > 1 && memcmp(state.block, state.block + 1, state.filled - 1) == 0;
}

static bool write_block(bool is_last, struct failure *failure) {
    const bool run = is_run();
    const uint32_t number =
        (uint32_t)state.filled << 3 | (uint32_t)(run ? RUN : RAW) << 1 | (is_last ? LAST : 0);
    const unsigned char header[] = {(unsigned char)number, (unsigned char)(number >> 8),
                                    (unsigned char)(number >> 16)};
    const size_t size = run ? 1 : state.filled;
    state.filled = 0;
    return output_write(header, sizeof header, failure) && output_write(state.block, size, failure);
}

bool pack(const void *data, size_t size, struct failure *failure) {
    const unsigned char *from = data;
    while (size > 0) {
        if (state.filled == BLOCK && !write_block(false, failure)) return false;
        const size_t room = BLOCK - state.filled, part = size < room ? size : room;
        if (part > state.left) {
            *failure = (struct failure){"read", EFBIG, "it grew while it was read"};
            return false;
        }
        memcpy(state.block + state.filled, from, part);
        state.filled += part;
        state.left -= part;
        from += part;
        size -= part;
    }
    return true;
}

bool pack_end(struct failure *failure) {
    if (state.left > 0) {
        *failure = (struct failure){"read", EIO, "it shrank while it was read"};
        return false;
    }
    return write_block(true, failure);
}
