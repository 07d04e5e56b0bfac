// The walker's half of running tp_traverse in the frozen clone; capture/heap/traverse.py is the
// other half.
#include "walker/walk/traverse.hpp"

#include <algorithm>
#include <bit>

#include "walker/walk/walker.hpp"

namespace heapgraph {

void Traversed::sort() {
    std::sort(records_.begin(), records_.end(),
              [](const Record &left, const Record &right) { return left.object < right.object; });
}

bool Traversed::find(u64 object, Visits &visits) const {
    const auto at =
        std::lower_bound(records_.begin(), records_.end(), object,
                         [](const Record &record, u64 wanted) { return record.object < wanted; });
    if (at == records_.end() || at->object != object) return false;
    visits = {targets_.data() + at->first, at->count};
    return true;
}

VisitTally::VisitTally(Visits visits) : left_(visits.count) {
    std::vector<u64> sorted(visits.targets, visits.targets + visits.count);
    std::sort(sorted.begin(), sorted.end());
    for (const u64 target : sorted) {
        if (entries_.empty() || entries_.back().target != target) entries_.push_back({target, 0});
        ++entries_.back().left;
    }
}

bool VisitTally::take(u64 target) {
    const auto at =
        std::lower_bound(entries_.begin(), entries_.end(), target,
                         [](const Entry &entry, u64 wanted) { return entry.target < wanted; });
    if (at == entries_.end() || at->target != target || at->left == 0) return false;
    --at->left;
    --left_;
    return true;
}

void merge_visits(EdgeList &edges, Visits visits) {
    VisitTally tally(visits);
    // Best explained first: what a table says is visited, what the scan found, what a table calls
    // hidden.
    const auto confirm = [&](u8 mask, u8 wanted) {
        for (Edge &edge : edges.edges()) {
            if ((edge.flags & mask) != wanted || edge.kind == EdgeKind::kWeak) continue;
            if (!tally.take(edge.target)) {
                edge.flags &= ~kGcVisible;
            } else if (edge.flags & kScanned) {
                edge.flags = kOwned;
            } else {
                edge.flags |= kPlaceless | kGcVisible;  // taken: the passes below leave it alone
            }
        }
    };
    confirm(kGcVisible | kScanned, kGcVisible);
    confirm(kGcVisible | kScanned, kGcVisible | kScanned);
    confirm(kGcVisible | kScanned | kPlaceless, 0);
    for (Edge &edge : edges.edges()) edge.flags &= ~kPlaceless;
    if (tally.is_empty()) return;
    for (u64 i = 0; i < visits.count; ++i) {
        if (tally.take(visits.targets[i])) {
            edges.add(visits.targets[i], EdgeKind::kUnnamed, kNoLabel, kOwned | kPlaceless);
        }
    }
}

u64 Walker::objects_to_traverse(hg_traverse_job *jobs, u64 capacity) {
    u64 found = 0;
    for (; found < capacity && !finder_.to_traverse().empty(); ++found) {
        const u64 object = finder_.to_traverse().back();
        finder_.to_traverse().pop_back();
        jobs[found] = {object,
                       image_->u64_at(image_->u64_at(object + layout_.type) + layout_.tp_traverse)};
    }
    return found;
}

void Walker::add_traversed(const hg_visits &visited) {
    FoundCounts &found = finder_.counts();
    for (u64 i = 0, first = 0; i < visited.object_count; first = visited.ends[i++]) {
        const Visits visits{visited.targets + first, visited.ends[i] - first};
        traversed_.add(visited.objects[i], visits);
        ++counts_.traversed;
        if (TypeInfo *type = types_.find(image_->u64_at(visited.objects[i] + layout_.type)))
            ++type->traversed;
        if (found.references > budget_.references) ++found.left_out;
        for (u64 v = 0; v < visits.count && found.references <= budget_.references; ++v) {
            if (!finder_.add(visits.targets[v], false)) ++found.invalid_references;
            finder_.drain();
        }
        found.references += visits.count;
    }
    note_found();
}

u64 Walker::collectable_objects(hg_traverse_job *jobs, u64 capacity) {
    u64 found = 0;
    auto &regions = image_->regions();
    for (; listed_region_ < regions.size(); ++listed_region_, listed_block_ = 0) {
        Region &region = regions[listed_region_];
        for (; listed_block_ < region.used.size(); ++listed_block_, listed_word_ = 0) {
            const auto [first, end] = words_of(region, region.used[listed_block_]);
            for (; listed_word_ < end - first; ++listed_word_) {
                if (found + 64 > capacity) return found;
                for (u64 bits = region.known[first + listed_word_]; bits != 0; bits &= bits - 1) {
                    const u64 object =
                        region.start + ((first + listed_word_) * 64 + std::countr_zero(bits)) * 8;
                    const TypeInfo *type = types_.find(image_->u64_at(object + layout_.type));
                    if (type == nullptr || !reader_.has_gc_head(object, *type)) continue;
                    const u64 traverse = image_->u64_at(type->address + layout_.tp_traverse);
                    if (traverse == 0) continue;
                    jobs[found++] = {object, traverse};
                }
            }
        }
    }
    return found;
}

void Walker::compare_traversed(const hg_visits &visited) {
    traversed_.sort();
    for (u64 i = 0, first = 0; i < visited.object_count; first = visited.ends[i++]) {
        TypeInfo *type = types_.find(image_->u64_at(visited.objects[i] + layout_.type));
        if (type == nullptr) continue;
        read_references(visited.objects[i], *type);
        VisitTally tally({visited.targets + first, visited.ends[i] - first});
        bool identical = true;
        for (const Edge &edge : edges_.edges()) {
            Position at;
            if (!(edge.flags & kGcVisible) || !position(edge.target, at) || !at.is_known())
                continue;
            identical &= tally.take(edge.target);
        }
        if (!identical || !tally.is_empty()) ++type->disagreements;
    }
}

// What an object refers to, by the tables, the scan and the traverse function of its type.
void Walker::read_references(u64 object, const TypeInfo &type) {
    edges_.clear();
    reader_.references(object, type, edges_);
    Visits visits;
    if (type.traversed != 0 && traversed_.find(object, visits)) merge_visits(edges_, visits);
}

}  // namespace heapgraph
