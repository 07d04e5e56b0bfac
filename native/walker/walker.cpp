extern "C" __attribute__((visibility("default"))) int hg_walker_abi_version(void) { return 1; }
