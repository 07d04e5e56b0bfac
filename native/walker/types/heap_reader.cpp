// What the readers of types are made of.
#include "walker/types/heap_reader.hpp"

#include <algorithm>

namespace heapgraph {
namespace {

constexpr u64 kMaxText = 1 << 20;

}  // namespace

bool HeapReader::may_read_large(u64 owner, u64 address, u64 size) {
    if (first_ != nullptr) return first_->claims_.may_take(owner, address, size);
    if (!claims_.may_take(owner, address, size)) {
        if (is_claiming_) shared_owners_.insert(owner);
        return false;
    }
    if (is_claiming_) claims_.take(owner, address, size);
    return true;
}

bool HeapReader::stands_for(u64 table, u64 dict) {
    if (first_ != nullptr) {
        const auto users = first_->orphan_tables_.find(table);
        return users != first_->orphan_tables_.end() && users->second.least == dict;
    }
    if (!is_claiming_) return true;
    TableUsers &users = orphan_tables_.try_emplace(table, TableUsers{dict, dict}).first->second;
    users.least = std::min(users.least, dict);
    return users.first == dict;
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
