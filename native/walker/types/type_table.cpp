#include "walker/types/type_table.hpp"

#include <algorithm>
#include <bit>

#include "walker/types/key_table.hpp"

namespace heapgraph {
namespace {

constexpr i64 kMaxBasicsize = 1 << 24;
constexpr i64 kMaxItemsize = 1 << 16;
constexpr u64 kMaxSharedKeys = 1 << 16;

}  // namespace

u32 NameTable::row(const std::string &name) {
    if (is_closed_) {
        const auto known = rows_.find(name);
        return known == rows_.end() ? kNoLabel : known->second;
    }
    const std::lock_guard lock(mutex_);
    const auto [entry, added] = rows_.try_emplace(name, static_cast<u32>(names_.size()));
    if (added) names_.push_back(name);
    return entry->second;
}

std::vector<u32> NameTable::sort_from(u32 first) {
    const std::vector<std::string> before(names_.begin() + first, names_.end());
    std::sort(names_.begin() + first, names_.end());
    for (u64 row = first; row < names_.size(); ++row) rows_[names_[row]] = static_cast<u32>(row);
    std::vector<u32> moved;
    for (const std::string &name : before) moved.push_back(rows_[name]);
    return moved;
}

void NameTable::cut(u64 count) {
    for (; names_.size() > count; names_.pop_back()) rows_.erase(names_.back());
}

void TypeTable::forget() {
    std::fill(slots_.begin(), slots_.end(), Slot{});
    used_ = 0;
    types_.clear();
}

// `type` is its own type, and so may be a metaclass that C code derives from it (Shiboken of
// PySide6). Other words that point at themselves are heads of empty lists.
bool TypeTable::is_own_type(View type) {
    if (memory_.text(type.u64_at(layout_.tp_name)) == "type") return true;
    for (int i = 0; i < kMaxBases; ++i) {
        const u64 base = type.u64_at(layout_.tp_base);
        if (!(type.u64_at(layout_.tp_flags) & type_flag::kType)) return false;
        const View next = memory_.view(base, layout_.tp_size);
        if (!next || type.i64_at(layout_.tp_basicsize) < next.i64_at(layout_.tp_basicsize))
            return false;
        if (next.u64_at(layout_.type) == base &&
            memory_.text(next.u64_at(layout_.tp_name)) == "type")
            return true;
        type = next;
    }
    return false;
}

bool TypeTable::is_type(u64 address) {
    if (address & 7) return false;
    const View type = memory_.object_view(address, layout_.tp_size);
    if (!type) return false;
    const u64 flags = type.u64_at(layout_.tp_flags);
    const i64 basicsize = type.i64_at(layout_.tp_basicsize);
    const i64 itemsize = type.i64_at(layout_.tp_itemsize);
    if (basicsize < 16 || basicsize > kMaxBasicsize) return false;
    if (itemsize < 0 || itemsize > kMaxItemsize || type.i64_at(layout_.refcount) == 0) return false;
    if (type.u64_at(layout_.type) == address && !is_own_type(type)) return false;
    const View meta = memory_.object_view(type.u64_at(layout_.type), layout_.tp_size);
    if (!meta || !(meta.u64_at(layout_.tp_flags) & type_flag::kType)) return false;
    const View metameta = memory_.object_view(meta.u64_at(layout_.type), layout_.tp_size);
    if (!metameta || !(metameta.u64_at(layout_.tp_flags) & type_flag::kType)) return false;
    if (flags & type_flag::kReady) return true;
    // Up to 3.10 a few static types are used without having been made ready: no base, no dict.
    return type.u64_at(layout_.type) == meta.u64_at(layout_.type) &&
           type.u64_at(layout_.tp_base) == 0 && type.u64_at(layout_.tp_dealloc) != 0 &&
           !memory_.text(type.u64_at(layout_.tp_name)).empty();
}

bool TypeTable::is_python_class(View type) const {
    return (type.u64_at(layout_.tp_flags) & type_flag::kHeapType) && class_dealloc_ != 0 &&
           type.u64_at(layout_.tp_dealloc) == class_dealloc_;
}

TypeInfo *TypeTable::discover(u64 address) {
    const std::lock_guard lock(mutex_);
    TypeInfo *known = find_known(address);  // another thread may have been quicker
    return known != nullptr ? known : learn(address);
}

TypeInfo *TypeTable::learn(u64 address) {
    if (!is_type(address)) return nullptr;
    if (is_together_ && is_full()) {
        needs_order_ = true;
        return nullptr;
    }
    types_.push_back(std::make_unique<TypeInfo>());
    TypeInfo &info = *types_.back();
    info.address = address;
    info.row = types_.size() - 1;
    read_basics(info, memory_.view(address, layout_.tp_size));
    choose_reader(info);
    remember(address, &info);
    return &info;
}

void TypeTable::begin_together() {
    make_room(16 * (used_ + 1));
    is_together_ = true;
    needs_order_ = false;
    known_before_ = types_.size();
    names_before_ = names_.names().size();
}

void TypeTable::learn_first(u64 count) {
    std::vector<u64> addresses;
    for (u64 i = 0; i < count; ++i) addresses.push_back(types_[i]->address);
    std::sort(addresses.begin(), addresses.end());
    forget();
    for (const u64 address : addresses) find(address);
}

void TypeTable::put_in_order(u32 first_name) {
    const std::vector<u32> moved = names_.sort_from(first_name);
    std::sort(types_.begin(), types_.end(),
              [](const auto &one, const auto &other) { return one->address < other->address; });
    u32 row = 0;
    for (const auto &type : types_) {
        type->row = row++;
        for (FieldRule &field : type->fields) {
            if (field.name >= first_name && field.name != kNoLabel)
                field.name = moved[field.name - first_name];
        }
    }
}

void TypeTable::make_room(u64 slots) {
    if (slots <= slots_.size()) return;
    std::vector<Slot> old(std::bit_ceil(slots));
    old.swap(slots_);
    for (const Slot &slot : old) {
        if (slot.address) place(slot.address, slot.type);
    }
}

void TypeTable::remember(u64 address, TypeInfo *type) {
    if (is_full()) make_room(2 * slots_.size());
    ++used_;
    place(address, type);
}

void TypeTable::place(u64 address, TypeInfo *type) {
    u64 i = hash(address) & (slots_.size() - 1);
    while (slots_[i].address != 0) i = (i + 1) & (slots_.size() - 1);
    slots_[i].type = type;
    std::atomic_ref<u64>(slots_[i].address).store(address, std::memory_order_release);
}

void TypeTable::read_basics(TypeInfo &info, View type) {
    info.tp_name = memory_.text(type.u64_at(layout_.tp_name));
    info.flags = type.u64_at(layout_.tp_flags);
    info.basicsize = type.i64_at(layout_.tp_basicsize);
    info.itemsize = type.i64_at(layout_.tp_itemsize);
    info.dictoffset = type.i64_at(layout_.tp_dictoffset);
    if (info.dictoffset < -kMaxBasicsize || info.dictoffset > kMaxBasicsize) info.dictoffset = 0;
    info.weaklistoffset = type.i64_at(layout_.tp_weaklistoffset);
    info.base = type.u64_at(layout_.tp_base);
    info.is_gc = info.flags & type_flag::kHaveGc;
    info.is_heap = info.flags & type_flag::kHeapType;
    info.is_python_class = is_python_class(type);
    const u64 traverse = type.u64_at(layout_.tp_traverse);
    // Instances of Python classes visit their class in every version, those of C heap types
    // since 3.9.
    info.type_edge_visible = info.is_heap && info.is_gc &&
                             (layout_.kinds.instance_visits == kind::instance_visits::every_class ||
                              (traverse != 0 && traverse == class_traverse_));
    u64 managed =
        layout_.kinds.managed_dict != kind::managed_dict::none ? type_flag::kManagedDict : 0;
    if (layout_.kinds.managed_weakref == kind::managed_weakref::yes)
        managed |= type_flag::kManagedWeakref;
    info.preheader = info.flags & managed ? 16 : 0;

    info.builtin_base = info.address;
    for (int i = 0; i < kMaxBases; ++i) {
        const View base = memory_.view(info.builtin_base, layout_.tp_size);
        if (!base || !is_python_class(base)) break;
        info.builtin_base = base.u64_at(layout_.tp_base);
    }
    if (info.is_heap) {
        info.cached_keys = memory_.u64_at(info.address + layout_.ht_cached_keys);
        read_shared_keys(info);
    }
}

const TypeRule *TypeTable::nearest_rule(u64 address, u64 &ruled, bool &found) {
    for (int i = 0; i < kMaxBases && address != 0; ++i) {
        const View type = memory_.view(address, layout_.tp_size);
        if (!type) break;
        const auto rule = is_python_class(type)
                              ? rules_.end()
                              : rules_.find(memory_.text(type.u64_at(layout_.tp_name)));
        if (rule != rules_.end()) {
            ruled = address;
            found = true;
            return &rule->second;
        }
        address = type.u64_at(layout_.tp_base);
    }
    found = false;
    return nullptr;
}

// Bindings of C++ classes (nanobind) share no base class, but a metaclass.
const TypeRule *TypeTable::rule_of_metaclass(u64 address) {
    static const std::string prefix = "metaclass ";
    const u64 metaclass = memory_.u64_at(address + layout_.type);
    const std::string wanted = prefix + memory_.text(memory_.u64_at(metaclass + layout_.tp_name));
    auto rule = rules_.upper_bound(wanted);
    if (rule == rules_.begin()) return nullptr;
    --rule;
    const std::string &name = rule->first;
    const bool begins =
        name.compare(0, prefix.size(), prefix) == 0 && wanted.compare(0, name.size(), name) == 0;
    return begins ? &rule->second : nullptr;
}

// The builtin part of an object is read by the rule of its nearest ancestor that has one; words
// that C subclasses added behind it are scanned, with the names their member tables give.
void TypeTable::choose_reader(TypeInfo &info) {
    u64 ruled = 0;
    bool found = false;
    const TypeRule *rule = nearest_rule(info.builtin_base, ruled, found);
    if (!found ||
        memory_.u64_at(ruled + layout_.tp_base) == 0) {  // that of `object`, which says nothing
        if (const TypeRule *bound = rule_of_metaclass(info.builtin_base)) {
            rule = bound;
            found = true;
        }
    }
    const bool says_nothing = rule == nullptr || (memory_.u64_at(ruled + layout_.tp_base) == 0 &&
                                                  rule->blocks.depth == 0);
    // Since 3.13 values of attributes follow the struct.
    const bool has_values = layout_.kinds.managed_dict == kind::managed_dict::inline_values &&
                            info.flags & type_flag::kInlineValues;
    info.may_go_on = says_nothing && info.itemsize == 0 && !info.is_python_class && !has_values;
    const View builtin = memory_.view(info.builtin_base, layout_.tp_size);
    if (found) {
        info.reader = rule->reader;
        info.is_str = info.reader->is("str");
        info.is_tuple = info.reader->is("tuple");
        info.fields = rule->fields;
        info.buffers = rule->buffers;
        info.borrowed = rule->borrowed;
        const View base = memory_.view(ruled, layout_.tp_size);
        info.scan_from = base.i64_at(layout_.tp_basicsize);
        info.scan_to = info.scan_from;
        // A rule that names fields of a fixed-size struct has said all there is in it.
        // (Struct sequences put their further items, counted below, into the basic size
        // since 3.13.)
        if (ruled != info.builtin_base && !info.is_tuple)
            info.scan_to = builtin.i64_at(layout_.tp_basicsize);
        if (present(rule->scan_from)) {
            info.scan_from = rule->scan_from;
            info.scan_to = builtin.i64_at(layout_.tp_basicsize);
        }
        info.blocks = rule->blocks;
        info.blocks_to = std::clamp(builtin.i64_at(layout_.tp_basicsize), i64{0}, info.basicsize);
    } else if (builtin) {
        info.scan_from = layout_.object_size;
        info.scan_to = builtin.i64_at(layout_.tp_basicsize);
    }
    // A damaged base may say anything.
    info.scan_from = std::max(info.scan_from, layout_.object_size);
    info.scan_to = std::clamp(info.scan_to, i64{0}, info.basicsize);
    info.knows_fields = info.scan_from >= info.scan_to;
    // A C subclass with a traverse function of its own refers to something that its base does not.
    // (Struct sequences differ too, but their items are all known; theirs needs a current thread.)
    const u64 traverse = memory_.u64_at(info.address + layout_.tp_traverse);
    const bool differs =
        found && !info.is_tuple &&
        builtin.u64_at(layout_.tp_traverse) != memory_.u64_at(ruled + layout_.tp_traverse);
    // Types that C code makes without a deallocator of their own get that of Python classes.
    const bool made_by_c =
        info.is_python_class && class_traverse_ != 0 && traverse != class_traverse_;
    // A rule without fields (PyCapsule) says that no word is a reference, not that nothing is
    // referred to.
    const bool empty = found && info.reader == &plain_reader && rule->fields.empty() &&
                       builtin.u64_at(layout_.tp_flags) & type_flag::kHaveGc;
    info.wants_traverse =
        info.is_gc && traverse != 0 &&
        (!info.knows_fields || differs || made_by_c || empty || info.reader->is("module"));
    for (u64 at = info.builtin_base, i = 0; at != ruled && at != 0 && i < kMaxBases; ++i) {
        add_members(info, at);
        at = memory_.u64_at(at + layout_.tp_base);
    }
    if (info.is_tuple && ruled != info.builtin_base) count_struct_items(info);
    add_slots(info);
}

void TypeTable::note_class(u64 address) {
    const u64 keys = memory_.u64_at(address + layout_.ht_cached_keys);
    if (keys != 0) shared_tables_.insert(keys);
}

void TypeTable::read_shared_keys(TypeInfo &info) {
    if (info.cached_keys == 0) return;
    if (!is_together_) {
        shared_tables_.insert(info.cached_keys);
    } else if (!shared_tables_.count(info.cached_keys)) {
        needs_order_ = true;  // others may have been told that it is nobody's
    }
    const KeyTable keys = read_key_table(memory_, layout_, info.cached_keys);
    if (keys.address == 0 || keys.count > kMaxSharedKeys) return;
    info.shared_capacity = keys.capacity;
    const View entries = memory_.view(keys.entries, keys.entry_bytes());
    for (u64 i = 0; entries && i < keys.count; ++i) {
        info.shared_keys.push_back(entries.u64_at(i * keys.stride + keys.key_offset));
    }
}

}  // namespace heapgraph
