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
        if (address - begin_ >= size_ && !look(address)) return {nullptr, address, address};
        const u64 offset = address - begin_;
        return {data_ == nullptr ? nullptr : data_ + offset, address,
                std::min(end, begin_ + size_)};
    }
    // A word, 0 where there is none. The memory around it is read with it.
    u64 word(u64 address) {
        if (address - begin_ >= size_ && !look(address)) return 0;
        u64 value = 0;
        if (data_ != nullptr && size_ - (address - begin_) >= sizeof value)
            std::memcpy(&value, data_ + (address - begin_), sizeof value);
        return value;
    }

private:
    bool look(u64 address) {
        const Region *region = image_.region_of(address);
        if (region == nullptr) return false;
        const u64 block = (address - region->start) >> kBlockShift;
        begin_ = region->start + (block << kBlockShift);
        size_ = std::min(kBlockBytes, region->start + region->size - begin_);
        data_ = image_.glance(*region, block, buffer_.data());
        return true;
    }

    MemoryImage &image_;
    std::vector<u8> buffer_;
    u64 begin_ = 0, size_ = 0;  // of the block that is seen
    const u8 *data_ = nullptr;
};

}  // namespace heapgraph
