// What the readers of types are made of.
#include "walker/types/heap_reader.hpp"

#include <algorithm>

namespace heapgraph {
namespace {

constexpr u64 kMaxText = 1 << 20;

}  // namespace

bool HeapReader::may_read_large(u64 owner, u64 address, u64 size) {
    if (settled_ != nullptr) return settled_->claims_.may_take(owner, address, size);
    HeapReader &claimer = *claimer_;
    const std::lock_guard lock(claimer.claims_mutex_);
    if (!claimer.claims_.may_take(owner, address, size)) {
        if (is_claiming_) claimer.shared_owners_.insert(owner);
        return false;
    }
    if (is_claiming_) claimer.claims_.take(owner, address, size);
    return true;
}

bool HeapReader::stands_for(u64 table, u64 dict) {
    if (settled_ != nullptr) {
        const auto users = settled_->orphan_tables_.find(table);
        return users != settled_->orphan_tables_.end() && users->second.least == dict;
    }
    if (!is_claiming_) return true;
    const std::lock_guard lock(claimer_->claims_mutex_);
    auto &tables = claimer_->orphan_tables_;
    TableUsers &users = tables.try_emplace(table, TableUsers{dict, dict}).first->second;
    users.least = std::min(users.least, dict);
    return users.first == dict;
}

void HeapReader::take(const HeapReader &other) {
    table_bytes_ += other.table_bytes_;
    tables_left_out_ += other.tables_left_out_;
    if (learned_.general_lookup == 0) learned_.general_lookup = other.learned_.general_lookup;
}

void HeapReader::forget_found() {
    learned_ = {};
    orphan_tables_.clear();
    claims_ = {};
    shared_owners_.clear();
    table_bytes_ = tables_left_out_ = 0;
}

bool HeapReader::afford(u64 bytes) {
    table_bytes_ += bytes;
    if (table_bytes_ <= budget_.table_bytes) return true;
    ++tables_left_out_;
    return false;
}

void HeapReader::items_at(u64 owner, u64 address, u64 count, EdgeList &out, u8 flags) {
    if (count > kMaxItems) return;
    each_part(owner, address, count * 8, 8, [&](View words, u64 offset) {
        for (u64 at = 0; at < words.size(); at += 8)
            out.add(words.u64_at(at), EdgeKind::kIndex, (offset + at) / 8, flags);
    });
}

u64 HeapReader::item_count(View object) {
    const i64 size = object.i64_at(layout_.var_size);
    if (layout_.kinds.int_size == kind::int_size::tagged &&
        type_flags(object.u64_at(layout_.type)) & type_flag::kLong) {
        return static_cast<u64>(size) >> 3;
    }
    return size < 0 ? -static_cast<u64>(size) : size;
}

u64 HeapReader::text_bytes(u64 address) {
    const View text = memory_.view_up_to(address, kMaxText);
    if (address == 0 || !text) return 0;
    u64 length = 0;
    while (length < text.size() && text.u8_at(length) != 0) ++length;
    return length + 1;
}

bool HeapReader::is_interned(u64 object, const TypeInfo &type) {
    return type.is_str &&
           (memory_.view(object, layout_.uni_ascii_size).u32_at(layout_.uni_state) & 3);
}

}  // namespace heapgraph
