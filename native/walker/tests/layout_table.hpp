// The offsets the tests build heaps by: the tables that captures use, read from their source files.
#pragma once

#include <fstream>
#include <string>
#include <unordered_map>

#include "check.hpp"
#include "walker/types/layout.hpp"

namespace heapgraph::test {

// One CPython minor: the walker's layout, and the few fields only a builder of heaps needs.
struct LayoutTable {
  Layout layout;
  std::unordered_map<std::string, std::int64_t> fields;

  std::int64_t at(const char* name) const {
    const auto entry = fields.find(name);
    return entry == fields.end() ? kAbsent : entry->second;
  }
  bool at_least(int minor) const { return layout.at_least(minor); }
};

// HEAPGRAPH_LAYOUTS is the folder of cpython-3.9.toml, ...: generated files, so that two kinds of lines are
// all there is to read: [fields.struct] and field = number. What later releases changed comes behind and is left out.
inline LayoutTable read_layout(int minor, int micro) {
  std::ifstream file(HEAPGRAPH_LAYOUTS "/cpython-3." + std::to_string(minor) + ".toml");
  LayoutTable table;
  std::string group;
  for (std::string line; std::getline(file, line);) {
    char name[64];
    long long offset;
    if (line.starts_with("[")) {
      std::erase(line, '"');
      const bool is_struct = line.starts_with("[fields.") && line.ends_with("]");
      group = is_struct ? line.substr(8, line.size() - 9).append(1, '.') : std::string();
    } else if (!group.empty() && std::sscanf(line.c_str(), "%63s = %lld", name, &offset) == 2) {
      table.fields[group + name] = offset;
    }
  }
  table.fields["version"] = 0x030000 | minor << 8 | micro;
#define HEAPGRAPH_TAKE(member, name) table.layout.member = table.at(name);
  HEAPGRAPH_LAYOUT_FIELDS(HEAPGRAPH_TAKE)
#undef HEAPGRAPH_TAKE
  CHECK(table.fields.size() > 100);
  return table;
}

}  // namespace heapgraph::test
