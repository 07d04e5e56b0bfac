// A checked view of the caller's graph, and a set of objects as bits.
#pragma once

#include <cstdint>
#include <vector>

#include "graph_kernels.h"

namespace heapgraph {

using ObjectId = std::uint32_t;
using EdgeIndex = std::uint64_t;

// Borrowed arrays that check() has found consistent: no later code tests a bound again.
class CsrGraph {
public:
    explicit CsrGraph(const hg_graph &raw) : raw_(raw) {}

    // HG_OK, or the first thing that is wrong. Reads every offset and target once.
    [[nodiscard]] int check() const;

    [[nodiscard]] std::uint64_t object_count() const { return raw_.object_count; }
    [[nodiscard]] std::uint64_t reference_count() const { return raw_.reference_count; }
    [[nodiscard]] EdgeIndex begin(ObjectId object) const { return raw_.offsets[object]; }
    [[nodiscard]] EdgeIndex end(ObjectId object) const { return raw_.offsets[object + 1ULL]; }
    [[nodiscard]] ObjectId target(EdgeIndex edge) const { return raw_.targets[edge]; }
    [[nodiscard]] bool is_live(EdgeIndex edge) const {
        return raw_.skip == nullptr || raw_.skip[edge] == 0;
    }

    void prefetch_offsets(ObjectId object) const { __builtin_prefetch(raw_.offsets + object); }
    void prefetch_targets(EdgeIndex edge) const { __builtin_prefetch(raw_.targets + edge); }

private:
    hg_graph raw_;
};

// HG_OK when every root is an object.
[[nodiscard]] int check_roots(std::uint64_t object_count, const ObjectId *roots,
                              std::uint64_t root_count);

// One bit per object: 1.3 MB for 10 million objects, so that a test per reference stays in cache.
class ObjectSet {
public:
    explicit ObjectSet(std::uint64_t object_count) : words_((object_count + 63) / 64) {}

    [[nodiscard]] bool contains(ObjectId object) const {
        return (words_[object >> 6] >> (object & 63) & 1) != 0;
    }
    void add(ObjectId object) { words_[object >> 6] |= 1ULL << (object & 63); }

    // True when the object was not in the set before.
    bool add_new(ObjectId object) {
        std::uint64_t &word = words_[object >> 6];
        const std::uint64_t bit = 1ULL << (object & 63);
        const bool is_new = (word & bit) == 0;
        word |= bit;
        return is_new;
    }

private:
    std::vector<std::uint64_t> words_;
};

}  // namespace heapgraph
