// The groups of tests; each ends the program when something is not as it should be.
#pragma once

#include "layout_table.hpp"

namespace heapgraph::test {

// object_tests.cpp: undamaged heaps
void test_objects(const LayoutTable &table);
// border_tests.cpp: regions, holes, wild addresses and the collector's lists
void test_borders(const LayoutTable &table);
// hostile_tests.cpp: absurd numbers, and structures that loop
void test_hostile_structures(const LayoutTable &table);
// budget_tests.cpp: heaps that claim more than they have
void test_budget(const LayoutTable &table);
// and pieces of files that are mapped or read
void test_images();
// owners/block_tests.cpp: which blocks of C code there are
void test_blocks();
// owners/slab_tests.cpp: those of other allocators; random ones from this seed on
void test_slabs(unsigned seed);
// owners/owner_tests.cpp: who leads to them; random ones from this seed on
void test_owners(unsigned seed);
// owners/conflict_tests.cpp: pointers that somebody else left behind
void test_conflicts();
// A chain of nested lists, so long that a recursive walk would overflow its stack.
void test_deep_nesting(const LayoutTable &table);
// fuzz_tests.cpp: this many rounds of random damage, from this seed on
void test_random_damage(const LayoutTable &table, unsigned seed, int rounds);

}  // namespace heapgraph::test
