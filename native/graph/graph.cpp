extern "C" __attribute__((visibility("default"))) int hg_graph_abi_version(void) { return 1; }
