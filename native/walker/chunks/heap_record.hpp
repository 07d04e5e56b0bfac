// The chunks of heaps, noted when they are added up for the account: so a heap is followed once.
#pragma once

#include <vector>

#include "walker/walk/columns.hpp"

namespace heapgraph {

// One heap: its chunks one behind the other, from its first chunk on.
struct HeapRecord {
    AddressRange heap;
    u64 next;                // behind the last chunk that is noted
    Column<u64> is_begin;    // a bit for every 16 bytes from the start on
    NarrowColumn<u8> sizes;  // in steps of 16 bytes
    Column<u8> is_free;
    bool is_whole = false;  // it was followed to its end
    bool is_too_long = false;

    static constexpr u64 kMaxWords = u64{1} << 26;  // of the bits: 64 GiB from the first chunk on

    void add(u64 size, bool free) {
        const u64 bit = (next - heap.start) / 16;
        is_too_long |= bit / 64 >= kMaxWords;
        if (is_too_long) return;
        if (bit / 64 >= is_begin.size()) is_begin.resize(bit / 64 + 1);
        is_begin[bit / 64] |= u64{1} << bit % 64;
        sizes.push_back(size / 16);
        is_free.push_back(free);
        next += size;
    }
};

class HeapRecords {
public:
    // Where chunks from `start` on are to be noted; those of a heap may come in several calls.
    HeapRecord &from(u64 start, u64 end) {
        if (!records_.empty()) {
            HeapRecord &last = records_.back();
            if (last.next == start && last.heap.end == end) return last;
            if (!last.is_whole) records_.pop_back();  // it was none
        }
        records_.push_back({{start, end}, start, {}, {}, {}, false, false});
        return records_.back();
    }
    const HeapRecord *find(AddressRange heap) const {
        for (const HeapRecord &each : records_) {
            if (each.is_whole && !each.is_too_long && each.heap.start == heap.start &&
                each.heap.end == heap.end)
                return &each;
        }
        return nullptr;
    }
    void clear() { records_.clear(); }

private:
    std::vector<HeapRecord> records_;
};

}  // namespace heapgraph
