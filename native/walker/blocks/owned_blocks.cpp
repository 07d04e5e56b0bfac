#include "walker/blocks/owned_blocks.hpp"

#include <algorithm>

#include "walker/blocks/allocators.hpp"
#include "walker/blocks/suspended_stacks.hpp"
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u64 kMaxBlocks = 1 << 20;     // of one object
constexpr u64 kMaxSearched = 64 << 20;  // larger blocks are matrices, not lists of objects
constexpr u64 kMaxModuleState = 1 << 16;
constexpr u32 kMaxUsers = 1 << 24;  // of a std::shared_ptr

// The Itanium C++ ABI: a vtable has its std::type_info in front, and that the mangled name of the
// class.
constexpr u64 kTypeInfo = 8, kTypeInfoName = 8;
constexpr const char *kPoolBuffer = "N5arrow10PoolBufferE";
// arrow::Buffer (cpp/src/arrow/buffer.h): vtable, two flags, data_, size_, capacity_
constexpr u64 kBufferSize = 24, kBufferCapacity = 32;
constexpr u64 kMaxCapacity = 1ull << 46;

// A std::vector is three pointers: to its items, behind the last one, and behind the room for more.
// What lies in that room was left behind by others.
bool is_vector(View words, u64 at, u64 size) {
    const u64 first = words.u64_at(at), end = words.u64_at(at + 8), limit = words.u64_at(at + 16);
    return first <= end && end <= limit && limit - first <= size && limit != first;
}

}  // namespace

// Blocks that hold an object are not the owner's: they have rows of their own.
bool OwnedBlocks::looks_like_object(u64 address) {
    const Layout &layout = reader_.layout();
    const View head = memory_.view(address, layout.object_size);
    if (!head) return false;
    return is_plausible_count(memory_, layout, address, head.u64_at(layout.refcount)) &&
           reader_.types().find(head.u64_at(layout.type)) != nullptr;
}

// The block at this address when it is nobody's yet.
bool OwnedBlocks::find_block(u64 address, const Search &from, OwnedBlock &block) {
    if (address == 0 || memory_.find(address) == nullptr || claimed_.count(address)) return false;
    const u64 size = block_bytes(memory_, reader_.layout(), address);
    block = {address, size, size, 0, false};
    if (size == 0 || looks_like_object(address)) return false;
    return from.depth != 0 || size > kMaxModuleState ||
           !is_module_state(memory_.view(address, size), *from.type);
}

// Objects of a module often point at its state, which all share: it holds their class.
bool OwnedBlocks::is_module_state(View block, const TypeInfo &type) {
    for (u64 at = 0; at + 8 <= block.size(); at += 8) {
        if (block.u64_at(at) == type.builtin_base) return true;
    }
    return false;
}

// Searches all owners in step, so that a block goes to the nearest of them. Vectors and shared
// pointers show what they are; a plain pointer in a block may have been left there by others, so
// the rule says how far those are followed.
void OwnedBlocks::claim(const std::vector<u64> &owners) {
    std::vector<Search> searches, next;
    for (const u64 owner : owners) {
        owned_[owner].clear();
        const TypeInfo *type = reader_.type_of(owner);
        if (type == nullptr) continue;
        searches.push_back(
            {owner, type, owner + reader_.layout().object_size, owner + type->blocks_to, 0});
    }
    for (; !searches.empty(); searches.swap(next)) {
        next.clear();
        for (const Search &from : searches) search_words(from, next);
    }
}

void OwnedBlocks::search_words(const Search &from, std::vector<Search> &next) {
    if (from.end <= from.start || !reader_.afford(from.end - from.start)) return;
    const View words = memory_.view(from.start, from.end - from.start);
    const BlockRule &rule = from.type->blocks;
    const u8 depth = from.depth + 1;
    std::vector<OwnedBlock> &owned = owned_[from.owner];
    const auto take = [&](OwnedBlock &block) {  // whoever is seen first to lead to it owns it
        if (owned.size() >= kMaxBlocks) return;
        block.depth = depth;
        claimed_.insert(block.address);
        owned.push_back(block);
        if (depth >= rule.depth || block.used < 8 || block.used > kMaxSearched) return;
        next.push_back({from.owner, from.type, block.address, block.address + block.used, depth});
    };
    for (u64 at = 0; at + 8 <= words.size(); at += 8) {
        const bool shared = is_shared_pointer(words.u64_at(at), words.u64_at(at + 8));
        OwnedBlock block;
        if (shared && find_block(words.u64_at(at + 8), from, block)) take(block);
        if (!find_block(words.u64_at(at), from, block)) continue;
        block.is_vector = is_vector(words, at, block.size);
        if (block.is_vector) block.used = words.u64_at(at + 8) - block.address;
        if (shared || block.is_vector || from.depth < rule.raw_depth) take(block);
    }
}

// A std::shared_ptr: the object, and the control block that counts its users. They may be one
// block.
bool OwnedBlocks::is_shared_pointer(u64 object, u64 control) {
    if (object == 0 || control == 0 || control % 16 != 0) return false;
    const View head = memory_.view(control, 16);
    const auto is_count = [](u32 count) { return count > 0 && count < kMaxUsers; };
    if (!head || !is_count(head.u32_at(8)) || !is_count(head.u32_at(12))) return false;
    const u64 vtable = head.u64_at(0);
    return vtable % 8 == 0 && memory_.find(vtable) != nullptr &&
           memory_.find(memory_.u64_at(vtable)) != nullptr;
}

const std::vector<OwnedBlock> &OwnedBlocks::blocks_of(u64 object) {
    if (settled_ != nullptr) {
        static const std::vector<OwnedBlock> none;
        const auto owned = settled_->owned_.find(object);
        return owned == settled_->owned_.end() ? none : owned->second;
    }
    if (!owned_.count(object)) claim({object});
    return owned_[object];
}

// First those whose blocks are part of their size: what lies unwritten in a C++ object takes
// nothing from them.
void OwnedBlocks::share(std::vector<u64> owners) {
    std::sort(owners.begin(), owners.end());
    claimed_.clear();
    owned_.clear();
    const auto rest = std::stable_partition(owners.begin(), owners.end(), [this](u64 owner) {
        const TypeInfo *type = reader_.type_of(owner);
        return type != nullptr && type->blocks.has_bytes();
    });
    claim({owners.begin(), rest});
    claim({rest, owners.end()});
}

void OwnedBlocks::references(u64 object, const TypeInfo &type, EdgeList &out) {
    const u8 flags = kCounted | kScanned | (type.is_gc ? kGcVisible : 0);
    const bool has_stack = type.blocks.contents & BlockRule::kStack;
    u64 label = type.basicsize;
    for (const OwnedBlock &block : blocks_of(object)) {
        if (block.used > kMaxSearched || block.depth > type.blocks.reference_depth) continue;
        if (!reader_.afford(block.used)) return;
        const View words = memory_.view(block.address, block.used);
        for (u64 at = 0; at + 8 <= words.size(); at += 8, label += 8) {
            const u64 target = words.u64_at(at);
            if (target != object && target % 8 == 0 && target != 0 && looks_like_object(target)) {
                const bool trailing = !block.is_vector && at + 8 == block.size;
                const bool holds = has_stack && reader_.type_of(target)->reader->is("frame");
                out.add(target, EdgeKind::kUnnamed, label,
                        flags | (trailing ? kTrailing : 0) | (holds ? kHolds : 0));
            }
        }
        if (has_stack && present(reader_.layout().if_size))
            add_suspended_stack(reader_, words, out);
    }
}

u64 OwnedBlocks::own_bytes(u64 object, const TypeInfo &type) {
    u64 total = 0;
    for (const OwnedBlock &block : blocks_of(object)) {
        if (type.blocks.contents & BlockRule::kBytes) total += block.size;
        if (type.blocks.contents & BlockRule::kArrowBuffers)
            total += arrow_bytes(memory_.view(block.address, block.size));
    }
    return total;
}

// What Arrow's memory pool gave for the buffers that lie in this block.
u64 OwnedBlocks::arrow_bytes(View block) {
    u64 total = 0;
    for (u64 at = 0; at + kBufferCapacity + 8 <= block.size(); at += 8) {
        if (!is_pool_buffer(block.u64_at(at))) continue;
        const u64 capacity = block.u64_at(at + kBufferCapacity);
        if (capacity < kMaxCapacity && block.u64_at(at + kBufferSize) <= capacity)
            total += capacity;
    }
    return total;
}

bool OwnedBlocks::is_pool_buffer(u64 vtable) {
    if (vtable == 0 || vtable % 8 != 0 || memory_.find(vtable) == nullptr) return false;
    const auto [entry, is_new] = pool_buffers_.try_emplace(vtable, false);
    if (is_new) {
        const u64 name = memory_.u64_at(memory_.u64_at(vtable - kTypeInfo) + kTypeInfoName);
        entry->second = memory_.text(name) == kPoolBuffer;
    }
    return entry->second;
}

}  // namespace heapgraph
