#include "walker.hpp"

#include <bit>
#include <unordered_map>

namespace heapgraph {
namespace {

constexpr u64 kGcHead = 16;
constexpr u64 kGcMask = ~u64{3};        // flags live in the low bits of both links
constexpr u64 kMaxListLength = 1ull << 33;
constexpr i64 kMaxRefcount = 1ll << 40;
constexpr u64 kProgressStep = 1 << 16;
constexpr u64 kStaticRefcount = 999999999;  // _PyObject_IMMORTAL_REFCNT of 3.11

}  // namespace

i64 HeapReader::refcount(u64 object) {
  const u64 word = memory_.word(object + layout_.refcount);
  return layout_.at_least(12) ? static_cast<i64>(word & 0xffffffffu) : static_cast<i64>(word);
}

bool HeapReader::is_immortal(u64 object) {
  const u64 word = memory_.word(object + layout_.refcount);
  // 3.12+: bit 31 of the count (3.14+ keeps flags above it). 3.11 gave a large count to its static objects.
  if (layout_.at_least(12)) return word >> 31 & 1;
  return layout_.at_least(11) && word > kStaticRefcount / 2;
}

bool HeapReader::is_interned(u64 object, const TypeInfo& type) {
  return type.handler == Handler::kStr && (memory_.view(object, layout_.uni_ascii_size).half(layout_.uni_state) & 3);
}

bool Walker::position(u64 address, Position& out) {
  if (address == 0 || address & 7) return false;
  out.region = image_->find(address);
  if (out.region == nullptr) return false;
  out.bit = (address - out.region->start) >> 3;
  return true;
}

// Types carry a GC head only when they are heap types: tp_is_gc of `type` says so.
bool Walker::has_gc_head(u64 object, const TypeInfo& type) {
  if (!type.is_gc || !is_type_handler(type.handler)) return type.is_gc;
  return image_->view(object, layout_.tp_size).word(layout_.tp_flags) & type_flag::kHeapType;
}

// Some objects are smaller than their type's basic size, and may lie at the very end of a region: compact
// ASCII strings, static types, which lack what the struct of a heap type has, and naive datetimes.
u64 Walker::least_bytes(u64 object, const TypeInfo& type) {
  switch (type.handler) {
    case Handler::kStr: return layout_.uni_ascii_size;
    case Handler::kType: return has_gc_head(object, type) ? type.basicsize : layout_.tp_size;
    case Handler::kDatetime: return type.is_python_class ? type.basicsize : type.basicsize - 8;
    default: return type.basicsize;
  }
}

TypeInfo* Walker::plausible(u64 address, const Position& at, bool strictly) {
  const View head = image_->view(address, 16);
  if (!head) return nullptr;
  TypeInfo* type = types_.find(head.word(layout_.type));
  if (type == nullptr) return nullptr;
  if (!image_->view(address, least_bytes(address, *type))) return nullptr;
  i64 count = head.signed_word(layout_.refcount);
  if (layout_.at_least(12)) {
    // Freed memory keeps a free-list pointer in this word; bits 32-47 of a live object are zero
    // (3.14+ has flags above them).
    if (count & 0xffff00000000) return nullptr;
    count &= 0xffffffff;
  }
  if (count <= 0 || count > kMaxRefcount) return nullptr;
  // A table of C code can look like an object: an address where the count is, and then a type.
  const bool immortal = layout_.at_least(12) && count >> 31;
  if (strictly && !immortal && image_->find(count) != nullptr) return nullptr;
  if (is_tracked(at) || !has_gc_head(address, *type)) return type;
  // A GC object outside of all lists is untracked (no link), or on the stack of a running collection.
  if (strictly && image_->word(address - kGcHead) != 0) return nullptr;
  return type;
}

void Walker::read_gc_lists(const u64* heads, u64 count) {
  for (u64 i = 0; i < count; ++i) {
    u64 link = image_->word(heads[i]) & kGcMask;
    for (u64 steps = 0; link != heads[i]; ++steps) {
      Position at;
      if (steps > kMaxListLength || !position(link + kGcHead, at) || is_tracked(at)) {
        ++counts_.list_breaks;
        break;
      }
      at.region->tracked[at.bit >> 6] |= u64{1} << (at.bit & 63);
      gc_objects_.push_back(link + kGcHead);
      const u64 next = image_->word(link) & kGcMask;
      if (next == 0) {
        ++counts_.list_breaks;
        break;
      }
      link = next;
    }
    progress_.store(gc_objects_.size(), std::memory_order_relaxed);
  }
  counts_.gc_tracked = gc_objects_.size();
  learn_python_class();
}

// The commonest deallocator and traverse function among heap types without a dot in their name
// are those that CPython gives to classes made by a class statement.
void Walker::learn_python_class() {
  std::unordered_map<u64, u64> deallocs, traverses;
  for (const u64 object : gc_objects_) {
    const TypeInfo* type = types_.find(image_->word(object + layout_.type));
    if (type == nullptr || !(type->flags & type_flag::kType)) continue;
    const View view = image_->view(object, layout_.tp_size);
    if (!(view.word(layout_.tp_flags) & type_flag::kHeapType)) continue;
    if (types_.text(view.word(layout_.tp_name)).find('.') != std::string::npos) continue;
    ++deallocs[view.word(layout_.tp_dealloc)];
    ++traverses[view.word(layout_.tp_traverse)];
  }
  const auto commonest = [](const std::unordered_map<u64, u64>& tally) {
    u64 best = 0, most = 0;
    for (const auto& [function, uses] : tally) {
      if (uses > most) best = function, most = uses;
    }
    return best;
  };
  types_.forget();
  types_.set_python_class_functions(commonest(deallocs), commonest(traverses));
}

bool Walker::add(u64 address, bool strictly) {
  Position at;
  if (!position(address, at)) return false;
  if (is_known(at)) return true;
  if (plausible(address, at, strictly) == nullptr) return false;
  at.region->known[at.bit >> 6] |= u64{1} << (at.bit & 63);
  ++counts_.objects;
  stack_.push_back(address);
  return true;
}

void Walker::drain() {
  while (!stack_.empty()) {
    const u64 object = stack_.back();
    stack_.pop_back();
    TypeInfo* type = types_.find(image_->word(object + layout_.type));
    if (type == nullptr) continue;
    if (type->wants_traverse && has_gc_head(object, *type)) to_traverse_.push_back(object);
    if (type->blocks.depth != 0) block_owners_.push_back(object);
    edges_.clear();
    reader_.references(object, *type, edges_);
    for (const Edge& edge : edges_.edges()) {
      const bool scanned = edge.flags & kScanned;
      if (add(edge.target, scanned)) {
        ++counts_.references;
      } else if (!scanned) {
        ++counts_.invalid_references;
      }
      if (label_is_object(edge.kind)) add(edge.label, false);
    }
    if ((counts_.objects & (kProgressStep - 1)) == 0) progress_.store(counts_.objects, std::memory_order_relaxed);
  }
}

void Walker::discover(const u64* seeds, u64 count) {
  if (!gc_objects_added_) {
    gc_objects_added_ = true;
    for (const u64 object : gc_objects_) {
      if (!add(object, false)) ++counts_.invalid_references;
      drain();
    }
    gc_objects_ = {};
  }
  for (u64 i = 0; i < count; ++i) {
    add(seeds[i], false);
    drain();
  }
  reader_.forget_owners();
  progress_.store(counts_.objects, std::memory_order_relaxed);
}

// A variable may still point at an object that was freed, and the memory still look like one; what that refers
// to mostly does not.
bool Walker::is_sound(u64 address, const Position& at) {
  const TypeInfo* type = plausible(address, at, true);
  if (type == nullptr) return false;
  edges_.clear();
  reader_.references(address, *type, edges_);
  for (const Edge& edge : edges_.edges()) {
    Position target;
    if (edge.flags & kScanned) continue;
    if (!position(edge.target, target)) return false;
    if (!is_known(target) && plausible(edge.target, target, false) == nullptr) return false;
  }
  return true;
}

u64 Walker::scan_range(u64 start, u64 size, u64* addresses, u64* offsets, u64 capacity) {
  u64 found = 0;
  for (u64 offset = 0; offset + 8 <= size && found < capacity; offset += 8) {
    const u64 word = image_->word(start + offset);
    Position at;
    if (!position(word, at)) continue;
    if (!is_known(at) && !is_sound(word, at)) continue;
    addresses[found] = word;
    offsets[found++] = offset;
  }
  return found;
}

void Walker::number_objects() {
  u64 before = 0;
  for (Region& region : image_->regions()) {
    const u64 words = region.size / 512 + 1;
    bool any = false;
    for (u64 i = 0; i < words && !any; ++i) any = region.known[i] != 0;
    if (!any) continue;
    region.ranks.resize(words);
    for (u64 i = 0; i < words; ++i) {
      region.ranks[i] = static_cast<u32>(before);
      before += std::popcount(region.known[i]);
    }
  }
}

u32 Walker::id_at(const Position& at) const {
  const u64 word = at.bit >> 6;
  const u64 below = at.region->known[word] & ((u64{1} << (at.bit & 63)) - 1);
  return at.region->ranks[word] + std::popcount(below);
}

u32 Walker::object_id(u64 address) {
  Position at;
  return position(address, at) && is_known(at) ? id_at(at) : UINT32_MAX;
}

}  // namespace heapgraph
