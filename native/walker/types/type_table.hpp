// What the walker knows of each type: read once from the target, then looked up by address.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "walker/image/memory_image.hpp"
#include "walker/types/edges.hpp"
#include "walker/types/layout.hpp"
#include "walker/types/type_reader.hpp"

namespace heapgraph {

// One named word of a C struct that holds a reference.
struct FieldRule {
    i64 offset;
    u32 name;  // row of names
    EdgeKind kind;
    u8 flags;
};

// How many items a buffer has.
enum class BufferCount : u8 {
    kWord = 0,   // the word at `count`
    kTuple = 1,  // the length of the tuple that the word at `count` refers to
    kOne = 2,    // one
};

// A buffer outside of the object that belongs to it alone and holds no references we follow.
struct BufferRule {
    i64 pointer;  // offset of its address; one that points into the object itself is no buffer
    i64 count;
    BufferCount how;
    i64 item_size;
    i64 flag;  // offset of a byte that must not be zero, or kAbsent
    bool in_getsizeof;
};

// Blocks of memory that belong to the object and may hold references: hash tables, C++ objects,
// vectors. Their size is known from the allocator that gave them.
struct BlockRule {
    static constexpr u8 kReferences = 1;  // they hold references
    static constexpr u8 kBytes = 2;       // their bytes are the object's
    static constexpr u8 kArrowBuffers =
        4;  // some are arrow::PoolBuffer, whose bytes are the object's
    static constexpr u8 kStack =
        8;  // they tell of a stack that was put aside: its frames are the object's

    u8 depth = 0;      // how many pointers away from the object they may be; 0: it has none
    u8 raw_depth = 0;  // the same of plain pointers, that are no vector or shared pointer of C++
    u8 contents = 0;
    u8 reference_depth = 255;  // references are looked for in blocks so many pointers away
    bool has_bytes() const { return contents & (kBytes | kArrowBuffers); }
};

struct TypeRule {
    const TypeReader *reader = &plain_reader;
    std::vector<FieldRule> fields;
    std::vector<BufferRule> buffers;
    BlockRule blocks;
    i64 scan_from = kAbsent;  // words from here on are scanned as well
    std::vector<i64> borrowed;
};

struct TypeInfo {
    u64 address = 0;
    u32 row = 0;
    const TypeReader *reader = &plain_reader;
    bool is_str = false, is_tuple = false;  // by their readers: asked for every object
    bool is_gc = false;
    bool is_heap = false;
    bool is_python_class = false;  // made by a class statement
    bool type_edge_visible = false;
    bool knows_fields = true;     // false: its body was scanned
    bool may_go_on = false;       // no rule says how large its objects are, nor does the type
    bool wants_traverse = false;  // its own traverse function knows more than we do
    u64 traversed = 0;            // objects whose traverse function ran
    u64 disagreements = 0;        // objects that it told other references of
    i64 basicsize = 0;
    i64 itemsize = 0;
    u64 flags = 0;
    i64 dictoffset = 0;
    i64 weaklistoffset = 0;
    i64 preheader = 0;  // bytes before the GC head (managed dict and weak references)
    i64 scan_from = 0;  // words of [scan_from, scan_to) hold references we have no names for
    i64 scan_to = 0;
    BlockRule blocks;
    i64 blocks_to = 0;    // end of the words that may point at blocks
    i64 tuple_items = 0;  // struct sequences hold more items than len() says
    u64 cached_keys = 0;  // key table shared by the instances
    u64 base = 0;
    u64 builtin_base = 0;           // nearest ancestor that is not a Python class
    std::vector<FieldRule> fields;  // of the builtin part, then the __slots__
    std::vector<BufferRule> buffers;
    std::vector<i64> borrowed;     // words that lead to what is not the object's, or was freed
    i64 shared_capacity = 0;       // attributes that have room in the values of a new instance
    std::vector<u64> shared_keys;  // addresses of the names of split-table attributes, by position
    std::string tp_name;
};

constexpr int kMaxBases = 256;  // length of a base chain we follow

// Names by row. Several threads may ask for rows.
class NameTable {
public:
    u32 row(const std::string &name);
    const std::vector<std::string> &names() const { return names_; }
    // While it is closed, names that it does not have are kNoLabel.
    void close(bool closed) { is_closed_ = closed; }
    // Sorts the names from a row on, which several threads have added in any order. Returns the new
    // row of each of them.
    std::vector<u32> sort_from(u32 first);
    // As if only so many had been added.
    void cut(u64 count);

private:
    std::vector<std::string> names_;
    std::unordered_map<std::string, u32> rows_;
    std::mutex mutex_;
    bool is_closed_ = false;
};

class TypeTable {
public:
    TypeTable(MemoryImage &memory, const Layout &layout)
        : memory_(memory), layout_(layout), slots_(1 << 14) {}

    // "metaclass NAME" is the rule of classes that have no other and whose metaclass has a name
    // that begins so.
    void add_rule(const std::string &tp_name, TypeRule rule) { rules_[tp_name] = std::move(rule); }
    // The type at this address, or null when there is no plausible type there.
    TypeInfo *find(u64 address) {
        TypeInfo *known = find_known(address);
        return known != nullptr || address == 0 || is_closed_ ? known : discover(address);
    }
    // Between these, several threads may ask. What they learn is complete before another one sees
    // it; what would change an answer that was given before is not learned (needs_order).
    void begin_together();
    void end_together() { is_together_ = false; }
    bool needs_order() const { return needs_order_.load(std::memory_order_relaxed); }
    // All types anew, one after the other.
    void learn_again() { learn_first(types_.size()); }
    // The same of those that were known before several threads asked, without the others.
    void learn_those_before() {
        names_.cut(names_before_);
        learn_first(known_before_);
    }
    // Gives types and names the same rows, whoever has learned them when: in the order of their
    // addresses and texts. `first`: the first name that is not of a rule.
    void put_in_order(u32 first_name);
    // See ClosedTypes.
    void close(bool closed) {
        is_closed_ = closed;
        names_.close(closed);
    }
    // The functions that CPython gives to every Python class; 0 leaves class detection off.
    void set_python_class_functions(u64 dealloc, u64 traverse) {
        class_dealloc_ = dealloc;
        class_traverse_ = traverse;
    }
    bool is_python_class(View type) const;
    // A class made while the program ran: nothing is learned of it but which keys its instances
    // share.
    void note_class(u64 address);
    // Whether a key table is the one that new instances of some known class share.
    bool is_shared_table(u64 keys) const { return shared_tables_.count(keys) != 0; }

    // By row. `find` may add to it.
    const std::vector<std::unique_ptr<TypeInfo>> &types() const { return types_; }
    NameTable &names() { return names_; }
    void forget();  // drop everything learned, keep rules and names

private:
    struct Slot {
        u64 address = 0;
        TypeInfo *type = nullptr;
    };

    static u64 hash(u64 address) { return (address >> 4) * 0x9E3779B97F4A7C15ull >> 20; }
    bool is_type(u64 address);
    bool is_own_type(View type);
    // Null for none that is known.
    TypeInfo *find_known(u64 address) {
        for (u64 i = hash(address) & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
            const u64 here =
                std::atomic_ref<u64>(slots_[i].address).load(std::memory_order_acquire);
            if (here == address) return slots_[i].type;
            if (here == 0) return nullptr;
        }
    }
    TypeInfo *discover(u64 address);
    TypeInfo *learn(u64 address);
    void learn_first(u64 count);
    bool is_full() const { return (used_ + 1) * 2 > slots_.size(); }
    void make_room(u64 slots);
    void remember(u64 address, TypeInfo *type);
    void place(u64 address, TypeInfo *type);
    void read_basics(TypeInfo &info, View type);
    void choose_reader(TypeInfo &info);
    const TypeRule *nearest_rule(u64 address, u64 &ruled, bool &found);
    const TypeRule *rule_of_metaclass(u64 address);
    void count_struct_items(TypeInfo &info);
    void add_members(TypeInfo &info, u64 type_address);
    void add_slots(TypeInfo &info);
    void read_shared_keys(TypeInfo &info);

    MemoryImage memory_;  // of its own: who learns a type reads by this
    const Layout &layout_;
    std::mutex mutex_;  // of all that is learned
    std::vector<Slot> slots_;
    u64 used_ = 0;
    std::vector<std::unique_ptr<TypeInfo>> types_;
    std::map<std::string, TypeRule> rules_;
    std::unordered_set<u64> shared_tables_;
    NameTable names_;
    bool is_closed_ = false, is_together_ = false;
    std::atomic<bool> needs_order_{false};
    u64 known_before_ = 0, names_before_ = 0;  // when several threads began to ask
    u64 class_dealloc_ = 0;
    u64 class_traverse_ = 0;
};

// As long as it lives, nothing is learned of types and names: several threads may ask.
class ClosedTypes {
public:
    explicit ClosedTypes(TypeTable &types) : types_(types) { types_.close(true); }
    ~ClosedTypes() { types_.close(false); }
    ClosedTypes(const ClosedTypes &) = delete;
    ClosedTypes &operator=(const ClosedTypes &) = delete;

private:
    TypeTable &types_;
};

}  // namespace heapgraph
