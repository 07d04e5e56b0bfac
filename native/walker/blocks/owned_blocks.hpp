// Memory that an object owns through pointers and that is no object: hash tables of C modules, C++
// objects and their vectors, buffers of Arrow. What it refers to is believed only where reference
// counts are left over.
#pragma once

#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "walker/types/edges.hpp"
#include "walker/types/type_table.hpp"

namespace heapgraph {

class HeapReader;

// A block that an object owns; `used`: how much of it is in use, as a vector says, or at most.
struct OwnedBlock {
    u64 address;
    u64 size;
    u64 used;
    u8 depth;
    bool is_vector;
};

class OwnedBlocks {
public:
    OwnedBlocks(HeapReader &reader, MemoryImage &memory) : reader_(reader), memory_(memory) {}
    // Of a reader that takes what others have settled.
    OwnedBlocks(HeapReader &reader, MemoryImage &memory, const OwnedBlocks &settled)
        : reader_(reader), memory_(memory), settled_(&settled) {}

    // Settles which block is whose, when all objects that have blocks are known.
    void share(std::vector<u64> owners);
    // What the words of its blocks refer to. Their label is the byte offset, in the blocks one
    // after the other and behind the object itself.
    void references(u64 object, const TypeInfo &type, EdgeList &out);
    // Those bytes of the blocks that are the object's.
    u64 bytes(u64 object, const TypeInfo &type) {
        return type.blocks.has_bytes() ? own_bytes(object, type) : 0;
    }

private:
    // Words that may lead to further blocks of an owner.
    struct Search {
        u64 owner;
        const TypeInfo *type;
        u64 start;
        u64 end;
        u8 depth;
    };

    void claim(const std::vector<u64> &owners);
    void search_words(const Search &from, std::vector<Search> &next);
    bool find_block(u64 address, const Search &from, OwnedBlock &block);
    bool is_shared_pointer(u64 object, u64 control);
    const std::vector<OwnedBlock> &blocks_of(u64 object);
    bool is_module_state(View block, const TypeInfo &type);
    bool looks_like_object(u64 address);
    u64 own_bytes(u64 object, const TypeInfo &type);
    u64 arrow_bytes(View block);
    bool is_pool_buffer(u64 vtable);

    HeapReader &reader_;
    MemoryImage &memory_;
    const OwnedBlocks *settled_ = nullptr;
    std::unordered_set<u64> claimed_;
    std::unordered_map<u64, std::vector<OwnedBlock>> owned_;  // by owner
    std::unordered_map<u64, bool> pool_buffers_;              // by vtable
};

}  // namespace heapgraph
