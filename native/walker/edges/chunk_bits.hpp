// A bit for each chunk, which several threads set.
#pragma once

#include <atomic>

#include "walker/walk/columns.hpp"

namespace heapgraph {

class Bits {
public:
    Bits() = default;
    explicit Bits(u64 count) { words_.resize(count / 64 + 1); }

    bool get(u32 at) const { return word(at).load(std::memory_order_relaxed) >> at % 64 & 1; }
    void set(u32 at) { word(at).fetch_or(u64{1} << at % 64, std::memory_order_relaxed); }

private:
    std::atomic_ref<u64> word(u32 at) const {
        return std::atomic_ref<u64>(const_cast<u64 &>(words_[at / 64]));
    }

    Column<u64> words_;
};

}  // namespace heapgraph
