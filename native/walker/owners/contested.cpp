#include "walker/owners/contested.hpp"

namespace heapgraph {
namespace {

constexpr u64 kFewShare = 8;      // a pointer of one to another for so many chunks is usual
constexpr u64 kManyChunks = 256;  // that may hang on one word
constexpr u64 kLeastBuffer = 1 << 10, kSparseWords = 64;  // bytes; words of it for each pointer

// one, other: chunks of both.
bool is_odd(u64 one, u64 other, const Crossings::Pair &pair) {
    const u64 edges = (pair.up + pair.down) * kFewShare;
    if (edges < std::min(one, other)) return true;
    return edges < std::max(one, other) && (pair.up == 0 || pair.down == 0) && !pair.is_to_root;
}

}  // namespace

bool Contested::find(const std::vector<Entry> &objects) {
    Crossings direct;  // of objects themselves
    for (const Entry &entry : objects) {
        const u32 chunk = chunk_of(entry.target), own = OwnerSets::label_of(entry.source);
        const Tree &tree = reached_.trees[reached_.tree_of(chunk)];
        if (is_of_objects(reached_, chunk) && tree.label != own)
            direct.add(own, tree.label, chunk, tree.root == chunk);
    }
    std::map<u32, u64> sizes;  // chunks of each label
    for (const Tree &tree : reached_.trees) sizes[tree.label] += tree.chunks;
    std::vector<u32> found;
    const auto look = [&](u32 one, u32 other, const Crossings::Pair &pair) {
        if (is_odd(sizes[one], sizes[other], pair))
            found.insert(found.end(), pair.targets.begin(), pair.targets.end());
    };
    reached_.crossings.each(look);
    direct.each(look);
    bool any = !found.empty();
    spread(std::move(found));
    std::vector<u32> labels;
    const auto note = [&](u32 one, u32 other, const Crossings::Pair &) {
        for (const u32 label : {one, other}) {
            if (sizes[label] >= kManyChunks) labels.push_back(label);
        }
    };
    reached_.crossings.each(note);
    direct.each(note);
    std::sort(labels.begin(), labels.end());
    any |= take_inside(objects, labels);
    any |= take_sparse(labels);
    return any;
}

bool Contested::take_inside(const std::vector<Entry> &objects, const std::vector<u32> &labels) {
    bool any = false;
    for (const Entry &entry : objects) {
        const u32 chunk = chunk_of(entry.target);
        if (aim_of(entry.target) != Aim::kInside || !is_of_objects(reached_, chunk)) continue;
        if (!std::binary_search(labels.begin(), labels.end(), OwnerSets::label_of(entry.source)))
            continue;
        bits_.set(chunk);
        any = true;
    }
    return any;
}

bool Contested::take_sparse(const std::vector<u32> &labels) {
    if (labels.empty()) return false;
    bool any = false;
    std::vector<u32> targets;
    for (u32 chunk = 0; chunk < chunks_.count(); ++chunk) {
        if (chunks_.size(chunk) < kLeastBuffer || !edges_.any(chunk)) continue;
        if (!is_of_objects(reached_, chunk)) continue;
        if (!std::binary_search(labels.begin(), labels.end(), reached_.label(chunk))) continue;
        targets.clear();
        edges_.each(chunk, [&](Target target, u32) {
            if (aim_of(target) != Aim::kNothing && is_of_objects(reached_, chunk_of(target)))
                targets.push_back(chunk_of(target));
        });
        if (targets.size() * kSparseWords > chunks_.size(chunk) / 8) continue;
        any |= !targets.empty();
        for (const u32 target : targets) bits_.set(target);
    }
    return any;
}

// A second owner of a chunk may have all that it leads to.
void Contested::spread(std::vector<u32> waiting) {
    for (const u32 chunk : waiting) bits_.set(chunk);
    while (!waiting.empty()) {
        const u32 chunk = waiting.back();
        waiting.pop_back();
        edges_.each(chunk, [&](Target target, u32) {
            const u32 next = chunk_of(target);
            if (aim_of(target) == Aim::kNothing || bits_.get(next) ||
                !is_of_objects(reached_, next))
                return;
            bits_.set(next);
            waiting.push_back(next);
        });
    }
}

}  // namespace heapgraph
