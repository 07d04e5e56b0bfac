// What a capture gives the walker for a version of CPython, and the tests too: offsets, and the
// rules of types.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "walker/types/layout.hpp"
#include "walker/types/type_table.hpp"

namespace heapgraph::test {

struct NamedRule {
    std::string tp_name;
    TypeRule rule;                         // its fields have no rows of names yet
    std::vector<std::string> field_names;  // of these fields
};

// One CPython version: the walker's layout, the few fields only a builder of heaps needs, and all
// rules.
struct LayoutTable {
    Layout layout;
    std::unordered_map<std::string, std::int64_t> fields;
    std::vector<NamedRule> rules;

    std::int64_t at(const char *name) const {
        const auto entry = fields.find(name);
        return entry == fields.end() ? kAbsent : entry->second;
    }
    bool at_least(int minor) const { return layout.at_least(minor); }
    // Teaches a walker how types are read.
    void add_rules(TypeTable &types) const;
};

// Reads what scripts/write_walker_tables.py wrote for this version.
LayoutTable read_layout(int minor, int micro);

}  // namespace heapgraph::test
