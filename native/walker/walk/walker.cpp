#include "walker/walk/walker.hpp"

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <utility>

namespace heapgraph {
namespace {

constexpr u64 kGcMask = ~u64{3};  // flags live in the low bits of both links
constexpr u64 kMaxListLength = 1ull << 33;
constexpr u64 kProgressStep = 1 << 16;

}  // namespace

void Walker::read_gc_list(u64 head) {
    u64 link = image_->u64_at(head) & kGcMask;
    for (u64 steps = 0; link != head; ++steps) {
        Position at;
        if (steps > kMaxListLength || !position(link + kGcHead, at) || at.is_tracked()) {
            ++counts_.list_breaks;
            return;
        }
        if (gc_objects_.size() >= budget_.objects) {
            ++counts_.left_out;
            return;
        }
        at.region->tracked[at.bit >> 6] |= u64{1} << (at.bit & 63);
        gc_objects_.push_back(link + kGcHead);
        const TypeInfo *type = types_.find(image_->u64_at(link + kGcHead + layout_.type));
        if (type != nullptr && type->flags & type_flag::kType)
            listed_classes_.push_back(link + kGcHead);
        const u64 next = image_->u64_at(link) & kGcMask;
        if (next == 0) {
            ++counts_.list_breaks;
            return;
        }
        link = next;
    }
}

void Walker::read_gc_lists(const u64 *heads, u64 count, u64 frozen, bool in_order) {
    is_in_order_ = in_order;
    names_of_rules_ = static_cast<u32>(types_.names().names().size());
    for (u64 i = 0; i < count; ++i) {
        read_gc_list(heads[i]);
        if (i < frozen) counts_.gc_frozen = gc_objects_.size();
        progress_.store(gc_objects_.size(), std::memory_order_relaxed);
    }
    counts_.gc_tracked = gc_objects_.size();
    learn_python_class();
}

// The commonest deallocator and traverse function among heap types without a dot in their name
// are those that CPython gives to classes made by a class statement.
void Walker::learn_python_class() {
    std::unordered_map<u64, u64> deallocs, traverses;
    for (const u64 object : listed_classes_) {
        const View view = image_->view(object, layout_.tp_size);
        if (!(view.u64_at(layout_.tp_flags) & type_flag::kHeapType)) continue;
        types_.note_class(object);
        if (image_->text(view.u64_at(layout_.tp_name)).find('.') != std::string::npos) continue;
        ++deallocs[view.u64_at(layout_.tp_dealloc)];
        ++traverses[view.u64_at(layout_.tp_traverse)];
    }
    const auto commonest = [](const std::unordered_map<u64, u64> &tally) {
        u64 best = 0, most = 0;
        for (const auto &[function, uses] : tally) {
            if (uses > most) best = function, most = uses;
        }
        return best;
    };
    listed_classes_ = {};
    types_.set_python_class_functions(commonest(deallocs), commonest(traverses));
    types_.learn_again();
}

void Walker::set_budget(const WalkBudget &budget) {
    budget_ = budget;
    image_->set_limit(budget.image_bytes);
    reader_.set_budget(budget);
}

void Walker::discover(const u64 *seeds, u64 count) {
    if (!gc_objects_added_) {
        gc_objects_added_ = true;
        find_listed();
    }
    for (u64 i = 0; i < count; ++i) {
        finder_.add(seeds[i], false);
        finder_.drain();
    }
    note_found();
}

// What there is when a call has ended does not tell who has found it.
void Walker::note_found() {
    read_block_owners();
    finder_.give_room_back();
    std::sort(finder_.to_traverse().begin(), finder_.to_traverse().end());
    counts_.objects = finder_.counts().objects;
    counts_.references = finder_.counts().references;
    counts_.invalid_references = finder_.counts().invalid_references;
    progress_.store(counts_.objects, std::memory_order_relaxed);
}

// A variable may still point at an object that was freed, and the memory still look like one; what
// that refers to mostly does not.
bool Walker::is_sound(u64 address, const Position &at) {
    const TypeInfo *type = finder_.plausible(address, at, true);
    if (type == nullptr) return false;
    bool sound = true;
    reader_.set_claiming(false);
    finder_.take_references(address, *type, [&] {
        for (const Edge &edge : finder_.edges().edges()) {
            Position target;
            if (edge.flags & kScanned || !sound) continue;
            sound = position(edge.target, target) &&
                    (target.is_known() || finder_.plausible(edge.target, target, false) != nullptr);
        }
    });
    reader_.set_claiming(true);
    return sound;
}

u64 Walker::scan_range(u64 start, u64 size, u64 *addresses, u64 *offsets, u64 capacity) {
    u64 found = 0;
    for (const Region &region : image_->regions()) {
        const u64 from = std::max(start, region.start),
                  to = std::min(start + size, region.start + region.size);
        if (from >= to || found == capacity) continue;
        const u64 first = from - start + (8 - (from - start) % 8) % 8;
        image_->each_part(start + first, (to - start - first) / 8 * 8, 8,
                          [&](View words, u64 offset) {
                              for (u64 i = 0; i < words.size() && found < capacity; i += 8) {
                                  const u64 word = words.u64_at(i);
                                  Position at;
                                  if (!position(word, at)) continue;
                                  if (!at.is_known() && !is_sound(word, at)) continue;
                                  addresses[found] = word;
                                  offsets[found++] = first + offset + i;
                              }
                              return found < capacity;
                          });
    }
    return found;
}

// Only blocks in use are looked at: a region of terabytes that nobody wrote to has a bitmap of
// gigabytes. Returns how many objects there are.
u64 Walker::number_objects() {
    u64 before = 0;
    blocks_.clear();
    for (u32 r = 0; r < image_->regions().size(); ++r) {
        Region &region = image_->regions()[r];
        std::sort(region.used.begin(), region.used.end());
        for (const u32 block : region.used) {
            const u64 first_id = before;
            const auto [begin, end] = words_of(region, block);
            for (u64 i = begin; i < end; ++i) {
                if (before == first_id && region.known[i] == 0)
                    continue;  // there are none in front: no one asks
                region.ranks[i] = static_cast<u32>(before);
                before += std::popcount(region.known[i]);
            }
            if (before != first_id) blocks_.push_back({static_cast<u32>(first_id), r, block});
        }
    }
    return before;
}

u64 Walker::address_of(u32 object_id) {
    u64 address;
    addresses_of(&object_id, 1, &address);
    return address;
}

void Walker::addresses_of(const u32 *ids, u64 count, u64 *addresses) {
    const NumberedBlock *block = nullptr;
    u64 word = 0, first_id = 0;  // where the last one was found, and the first id of that word
    for (u64 i = 0; i < count; ++i) {
        addresses[i] = 0;
        const auto behind =
            std::upper_bound(blocks_.begin(), blocks_.end(), ids[i],
                             [](u32 id, const NumberedBlock &each) { return id < each.first_id; });
        if (behind == blocks_.begin()) continue;
        const NumberedBlock &at = *std::prev(behind);
        if (&at != block || ids[i] < first_id) {
            block = &at;
            word = words_of(image_->regions()[at.region], at.block).begin;
            first_id = at.first_id;
        }
        const Region &region = image_->regions()[at.region];
        const u64 end = words_of(region, at.block).end;
        for (; word < end; ++word) {
            u64 bits = region.known[word];
            u64 left = ids[i] - first_id;
            if (const u64 here = std::popcount(bits); here <= left) {
                first_id += here;
                continue;
            }
            for (; left != 0; --left) bits &= bits - 1;
            addresses[i] = region.start + (word * 64 + std::countr_zero(bits)) * 8;
            break;
        }
    }
}

u32 Walker::object_id(u64 address) { return find_id(*image_, address); }

}  // namespace heapgraph
