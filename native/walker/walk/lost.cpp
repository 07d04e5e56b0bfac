// Objects that nothing refers to any more although they are counted: in blocks of pymalloc that are
// in use. One too many is worse than one too few, so all that can be checked of a block is.
#include <algorithm>

#include "walker/walk/walker.hpp"

namespace heapgraph {
namespace {

// struct pool_header of Objects/obmalloc.c: its size, and where it keeps the offset of the first
// block that was never used.
constexpr u64 kPoolHeader = 48, kNextOffset = 40;
constexpr u64 kAlignment = 16, kMinBlock = 16, kMaxHeads = 2 * kGcHead;
// More is seldom meant: a lost object has one, or as many as were taken before the loss.
constexpr u64 kMaxCounted = 1 << 16;

// Whether an object of so many bytes may lie in such a block: the block is the next larger one, or
// was kept when the object shrank by up to a quarter (pymalloc_realloc).
bool fits(u64 bytes, u64 block) {
    return bytes <= block && (block - bytes < kAlignment || 4 * bytes > 3 * block);
}

// Whether a known object begins a block, or follows what stands in front of one there: a GC head
// and, where the version has it, the place of its attributes. Nothing but the bitmap is read.
bool begins_with_known(const Region &region, u64 address, u64 size) {
    const u64 first = (address - region.start) / 8;
    for (u64 head = 0; head <= kMaxHeads && head < size; head += kGcHead) {
        const u64 bit = first + head / 8;
        if (region.known[bit >> 6] >> (bit & 63) & 1) return true;
    }
    return false;
}

}  // namespace

bool Walker::is_lost_object(u64 address, u64 block_size, u64 count, u64 type_address) {
    // A free block begins with the address of the next one, or zero; so does, from 3.14 on, an
    // object that waits in a free list of the interpreter. In others the count is zero.
    if (count == 0 || count > kMaxCounted) return false;
    Position at;
    if (!position(type_address, at) || !at.is_known()) return false;
    const TypeInfo *type = types_.find(type_address);
    if (type == nullptr || type->is_gc || type->reader->describes_types) return false;
    if (!fits(reader_.sizes(address, *type).getsizeof, block_size)) return false;
    return position(address, at) && is_sound(address, at);
}

u64 Walker::lost_objects(const u64 *pools, const u32 *block_sizes, u64 count, u64 pool_size,
                         u64 *addresses, u64 capacity) {
    u64 found = 0;
    for (u64 i = 0; i < count && found < capacity; ++i) {
        const u64 size = block_sizes[i];
        const Region *region = image_->find(pools[i]);
        const View pool = image_->view(pools[i], pool_size);
        if (region == nullptr || !pool || size < kMinBlock) continue;
        const u64 end = std::min<u64>(pool.u32_at(kNextOffset), pool_size);
        for (u64 at = kPoolHeader; at + size <= end && found < capacity; at += size) {
            const u64 address = pools[i] + at;
            if (begins_with_known(*region, address, size)) continue;
            if (is_lost_object(address, size, pool.u64_at(at + layout_.refcount),
                               pool.u64_at(at + layout_.type)))
                addresses[found++] = address;
        }
    }
    return found;
}

}  // namespace heapgraph
