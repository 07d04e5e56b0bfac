// Memory that is looked through once, block by block of the image: nothing of it is kept.
#pragma once

#include <vector>

#include "walker/image/memory_image.hpp"

namespace heapgraph {

// The part of a block that is asked for; data is null where nothing was ever written.
struct Window {
    const u8 *data = nullptr;
    u64 start = 0;
    u64 end = 0;

    u64 word(u64 address) const {
        u64 value;
        std::memcpy(&value, data + (address - start), sizeof value);
        return value;
    }
};

// One for each thread.
class WindowReader {
public:
    explicit WindowReader(MemoryImage &image) : image_(image), buffer_(kBlockBytes) {}

    // What can be seen at once of [address, end): empty where there is no such memory.
    Window at(u64 address, u64 end) {
        const Region *region = image_.region_of(address);
        if (region == nullptr) return {nullptr, address, address};
        const u64 block = (address - region->start) >> kBlockShift;
        const u64 begin = region->start + (block << kBlockShift);
        if (region != region_ || block != block_) {
            region_ = region;
            block_ = block;
            data_ = image_.glance(*region, block, buffer_.data());
        }
        const u64 stop = std::min({end, begin + kBlockBytes, region->start + region->size});
        return {data_ == nullptr ? nullptr : data_ + (address - begin), address, stop};
    }
    // A word, 0 where there is none. The memory around it is read with it.
    u64 word(u64 address) {
        const Window window = at(address, address + 8);
        return window.data == nullptr || window.end - window.start < 8 ? 0 : window.word(address);
    }

private:
    MemoryImage &image_;
    std::vector<u8> buffer_;
    const Region *region_ = nullptr;
    u64 block_ = 0;
    const u8 *data_ = nullptr;
};

}  // namespace heapgraph
