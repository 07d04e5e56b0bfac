#include "walker/owners/contested.hpp"

namespace heapgraph {
namespace {

constexpr u64 kMostTargets = 256;  // of a pair in a slice
constexpr u64 kFewShare = 8;       // a pointer of one to another for so many chunks is usual

u64 pair_of(u32 one, u32 other) { return u64{std::min(one, other)} << 32 | std::max(one, other); }

}  // namespace

bool Contested::find(const std::vector<Entry> &objects) {
    each_slice(reached_.marks.size(), 1, [this](u32 begin, u32 end) { look_at(begin, end); });
    for (const Entry &entry : objects) {
        const u32 chunk = chunk_of(entry.target), own = OwnerSets::label_of(entry.source);
        if (!is_of_objects(reached_, chunk) || label(chunk) == own) continue;
        Cross &cross = crosses_[pair_of(own, label(chunk))];
        ++(label(chunk) > own ? cross.up : cross.down);
        cross.targets.push_back(chunk);
    }
    std::vector<u32> found;
    for (const auto &[pair, cross] : crosses_) {
        if (is_odd(static_cast<u32>(pair >> 32), static_cast<u32>(pair), cross))
            found.insert(found.end(), cross.targets.begin(), cross.targets.end());
    }
    const bool any = !found.empty();
    spread(std::move(found));
    return any;
}

bool Contested::is_odd(u32 one, u32 other, const Cross &cross) const {
    const u64 edges = (cross.up + cross.down) * kFewShare;
    const u64 size = size_of(one), other_size = size_of(other);
    if (edges < std::min(size, other_size)) return true;
    return edges < std::max(size, other_size) && (cross.up == 0 || cross.down == 0) &&
           !cross.is_to_root;
}

void Contested::look_at(u32 begin, u32 end) {
    Crosses crosses;
    std::unordered_map<u32, u64> sizes;
    u64 last_pair = 0, *size = nullptr;
    u32 last_label = OwnerSets::kNobody;
    Cross *cross = nullptr;
    for (u32 source = begin; source < end; ++source) {
        if (!is_of_objects(reached_, source)) continue;
        const u32 own = label(source);
        if (size == nullptr || own != last_label) size = &sizes[last_label = own];
        ++*size;
        if (!edges_.any(source)) continue;
        edges_.each(source, [&](Target target, u32) {
            const u32 chunk = chunk_of(target);
            if (aim_of(target) == Aim::kNothing || !is_of_objects(reached_, chunk)) return;
            const u32 other = label(chunk);
            if (other == own) return;
            const u64 pair = pair_of(own, other);
            if (cross == nullptr || pair != last_pair) cross = &crosses[last_pair = pair];
            ++(other > own ? cross->up : cross->down);
            cross->is_to_root |= is_root(chunk);
            if (cross->targets.size() < kMostTargets) cross->targets.push_back(chunk);
        });
    }
    const std::lock_guard lock(mutex_);
    for (const auto &[own, count] : sizes) sizes_[own] += count;
    for (const auto &[pair, more] : crosses) {
        Cross &all = crosses_[pair];
        all.up += more.up;
        all.down += more.down;
        all.is_to_root |= more.is_to_root;
        all.targets.insert(all.targets.end(), more.targets.begin(), more.targets.end());
    }
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
