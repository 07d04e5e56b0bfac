// What the member tables of a type say of its instances: names of fields, __slots__, items of
// struct sequences.
#include <algorithm>

#include "walker/types/type_table.hpp"

namespace heapgraph {
namespace {

constexpr int kMaxMembers = 4096;  // entries of a member table

// PyMemberDef (Include/descrobject.h, unchanged since 2.x) and the two kinds that hold references.
constexpr i64 kMemberSize = 40, kMemberType = 8, kMemberOffset = 16;
constexpr i32 kMemberObject = 6, kMemberObjectEx = 16;

struct Member {
    u64 name;  // address of its text
    i32 kind;
    i64 offset;

    // Offsets come from the target's own tables, which may say anything.
    bool lies_in(i64 from, i64 to) const {
        return offset >= from && offset < to && to - offset >= 8;
    }
};

// The entries of the table at this address, 0 for none.
template <typename Visit>
void each_member(MemoryImage &memory, u64 entry, Visit visit) {
    for (int i = 0; entry != 0 && i < kMaxMembers; ++i, entry += kMemberSize) {
        const View view = memory.view(entry, kMemberSize);
        if (!view || view.u64_at(0) == 0) return;
        visit(Member{view.u64_at(0), view.read<i32>(kMemberType), view.i64_at(kMemberOffset)});
    }
}

}  // namespace

// Struct sequences (os.stat_result) have a member for each item, also for those len() leaves out.
void TypeTable::count_struct_items(TypeInfo &info) {
    each_member(memory_, memory_.u64_at(info.builtin_base + layout_.tp_members),
                [&](const Member &member) {
                    if (!member.lies_in(layout_.tuple_item, kMaxMembers * 8)) return;
                    info.tuple_items =
                        std::max(info.tuple_items, (member.offset - layout_.tuple_item) / 8 + 1);
                });
}

void TypeTable::add_members(TypeInfo &info, u64 type_address) {
    each_member(
        memory_, memory_.u64_at(type_address + layout_.tp_members), [&](const Member &member) {
            if (member.kind != kMemberObject && member.kind != kMemberObjectEx) return;
            if (!member.lies_in(info.scan_from, info.scan_to)) return;
            if (member.offset == info.dictoffset)
                return;  // types.SimpleNamespace: read as the __dict__ it is
            const bool repeated =
                std::any_of(info.fields.begin(), info.fields.end(),
                            [&](const FieldRule &field) { return field.offset == member.offset; });
            if (repeated) return;
            info.fields.push_back({member.offset, names_.row(memory_.text(member.name)),
                                   EdgeKind::kField, kOwned | kScanned});
        });
}

// __slots__ of every Python class in the chain, from the member table behind each class.
void TypeTable::add_slots(TypeInfo &info) {
    u64 at = info.address;
    for (int level = 0; at != info.builtin_base && at != 0 && level < kMaxBases; ++level) {
        const View type = memory_.view(at, layout_.tp_size);
        if (!type) break;
        each_member(memory_, type.u64_at(layout_.tp_members), [&](const Member &member) {
            if (member.kind != kMemberObjectEx ||
                !member.lies_in(layout_.object_size, info.basicsize))
                return;
            info.fields.push_back(
                {member.offset, names_.row(memory_.text(member.name)), EdgeKind::kSlot, kOwned});
        });
        at = type.u64_at(layout_.tp_base);
    }
}

}  // namespace heapgraph
