// Pass 2: one row per object in address order, its references behind one another.
#include <bit>

#include "walker.hpp"

namespace heapgraph {
namespace {

constexpr u64 kProgressStep = 1 << 16;

}  // namespace

void Walker::reserve_columns() {
  const u64 objects = counts_.objects, references = counts_.references;
  columns_ = Columns{};
  columns_.address.reserve(objects);
  columns_.type.reserve(objects);
  columns_.shallow.reserve(objects);
  columns_.getsizeof_.reserve(objects);
  columns_.refcount.reserve(objects);
  columns_.flags.reserve(objects);
  columns_.out_degree.reserve(objects);
  columns_.preview_ends.reserve(objects);
  columns_.has_preview.reserve(objects);
  columns_.counted_in.resize(objects);
  columns_.target.reserve(references);
  columns_.label.reserve(references);
  columns_.kind.reserve(references);
  columns_.edge_flags.reserve(references);
}

void Walker::emit_references(u64 address, const TypeInfo& type, bool uncounted) {
  read_references(address, type);
  u32 degree = 0;
  for (const Edge& edge : edges_.edges()) {
    Position at;
    if (!position(edge.target, at) || !is_known(at)) continue;
    const u32 target = id_at(at);
    const u32 label = label_is_object(edge.kind) ? object_id(edge.label) : static_cast<u32>(edge.label);
    columns_.target.push_back(target);
    columns_.label.push_back(label);
    columns_.kind.push_back(static_cast<u8>(edge.kind));
    const u8 flags = uncounted ? edge.flags & ~kCounted : edge.flags;
    columns_.edge_flags.push_back(flags & ~(kPlaceless | kTrailing));
    const bool counted = flags & kCounted;
    if (counted && edge.flags & kPlaceless) {
      placeless_.push_back(columns_.target.size() - 1);
    } else if (counted && edge.flags & kScanned) {
      (edge.flags & kTrailing ? trailing_ : doubtful_).push_back(columns_.target.size() - 1);
    } else if (counted) {
      ++columns_.counted_in[target];
    }
    ++degree;
  }
  columns_.out_degree.push_back(degree);
}

bool Walker::has_count_left(u32 target) {
  const i64 count = columns_.refcount[target];
  if (!(columns_.flags[target] & kImmortal) && count <= i64(columns_.counted_in[target])) return false;
  ++columns_.counted_in[target];
  return true;
}

// References that no table vouches for. The visited ones are there, but may be owned by a part of the
// object that counts for itself. A word that was not visited is owned or borrowed: it keeps its target
// alive only where the target is counted more often than by all the others, the least sure of them last.
void Walker::settle_doubts() {
  for (const u64 row : placeless_) {
    if (!has_count_left(columns_.target[row])) columns_.edge_flags[row] &= ~kCounted;
  }
  doubtful_.insert(doubtful_.end(), trailing_.begin(), trailing_.end());
  const u32 borrowed = doubtful_.empty() ? 0 : types_.names().row("borrowed");
  for (const u64 row : doubtful_) {
    const bool holds = columns_.edge_flags[row] & kHolds;
    columns_.edge_flags[row] &= ~kHolds;
    if (has_count_left(columns_.target[row])) continue;
    columns_.edge_flags[row] = kScanned;
    if (holds) continue;
    columns_.kind[row] = static_cast<u8>(EdgeKind::kWeak);
    columns_.label[row] = borrowed;
  }
  placeless_ = doubtful_ = trailing_ = {};
}

void Walker::emit_object(u64 address, const Position& at, bool is_static) {
  TypeInfo* type = types_.find(image_->word(address + layout_.type));
  if (type == nullptr) return;  // cannot happen: only objects with a type become known
  u16 flags = 0;
  if (has_gc_head(address, *type)) flags |= kIsGc;
  if (is_tracked(at)) flags |= kGcTracked;
  if (reader_.is_immortal(address)) flags |= kImmortal;
  if (type->flags & type_flag::kType) flags |= kIsType;
  if (is_static) flags |= kStatic;
  if (reader_.is_interned(address, *type)) flags |= kInterned;
  const Sizes sizes = reader_.sizes(address, *type);
  columns_.address.push_back(address);
  columns_.type.push_back(type->row);
  // What lies in the program's own data was not allocated; nothing of it would come back.
  columns_.shallow.push_back(is_static ? 0 : sizes.shallow);
  columns_.getsizeof_.push_back(sizes.getsizeof);
  columns_.refcount.push_back(reader_.refcount(address));
  columns_.flags.push_back(flags);
  columns_.has_preview.push_back(reader_.preview(address, *type, columns_.previews));
  columns_.preview_ends.push_back(columns_.previews.size());
  // Code and constants frozen into the interpreter since 3.11; types count what they own.
  const bool frozen = is_static && flags & kImmortal && type->handler != Handler::kType;
  emit_references(address, *type, frozen);
}

void Walker::emit(const u64* static_starts, const u64* static_ends, u64 static_count) {
  number_objects();
  reserve_columns();
  reader_.share_blocks(std::move(block_owners_));
  u64 range = 0, done = 0;
  for (Region& region : image_->regions()) {
    for (u64 word = 0; word < region.ranks.size(); ++word) {
      for (u64 bits = region.known[word]; bits != 0; bits &= bits - 1) {
        const u64 bit = word * 64 + std::countr_zero(bits);
        const u64 address = region.start + bit * 8;
        while (range < static_count && static_ends[range] <= address) ++range;
        emit_object(address, {&region, bit}, range < static_count && static_starts[range] <= address);
        if ((++done & (kProgressStep - 1)) == 0) progress_.store(done, std::memory_order_relaxed);
      }
    }
  }
  settle_doubts();
  counts_.objects = columns_.address.size();
  counts_.references = columns_.target.size();
  counts_.names = types_.names().names().size();
  counts_.types = types_.types().size();
  counts_.bytes_read = image_->bytes_read();
  counts_.bytes_unreadable = image_->bytes_unreadable();
  progress_.store(done, std::memory_order_relaxed);
}

}  // namespace heapgraph
