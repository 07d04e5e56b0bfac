#include "walker/image/memory_image.hpp"

namespace heapgraph {

std::string MemoryImage::text(u64 address) {
    const View view = view_up_to(address, kMaxText);
    if (!view) return {};
    const auto *end = std::find(view.bytes(), view.bytes() + view.size(), u8{0});
    return {reinterpret_cast<const char *>(view.bytes()), static_cast<u64>(end - view.bytes())};
}

bool MemoryImage::load(u64 start, u64 end) {
    const u64 holes = bytes_unreadable();
    for (u64 at = start; at < end;) {
        Region *region = find(at);
        if (region == nullptr || region->copy == nullptr) return false;
        const u64 stop = std::min(end, region->start + region->size);
        ensure(*region, at - region->start, stop - at);
        at = stop;
    }
    return holes == bytes_unreadable();
}

void MemoryImage::gather(const u64 *addresses, u64 count, u64 size, u8 *out) {
    if (size == 0) return;
    for (u64 i = 0; i < count; ++i) {
        u8 *to = out + i * size;
        std::memset(to, 0, size);
        if (store_->copy_if_here(addresses[i], size, to)) continue;
        const u64 got = store_->copy_out(to, addresses[i], size);
        if (got < size) std::memset(to, 0, size);
    }
}

}  // namespace heapgraph
