// Prints the offsets and sizes of one CPython version, a line `name value width` each, and nothing
// else: it is compiled against that version's headers by generate.py, which writes the lines of
// fields.inc from fields.txt. No CPython is linked or run.
#define Py_BUILD_CORE 1

#include <stddef.h>
#include <stdio.h>

#include <Python.h>
#include <datetime.h>
#include <frameobject.h>
#include <structmember.h>

#include "internal/pycore_context.h"
#include "internal/pycore_gil.h"
#include "internal/pycore_hamt.h"
#include "internal/pycore_pymem.h"
#include "internal/pycore_pystate.h"
#if PY_VERSION_HEX >= 0x03090000
#include "internal/pycore_gc.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_runtime.h"
#endif
#if PY_VERSION_HEX >= 0x030a0000
#include "internal/pycore_moduleobject.h"
#endif
#if PY_VERSION_HEX >= 0x030b0000
#include "internal/pycore_dict.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_typeobject.h"
#endif
#if PY_VERSION_HEX >= 0x030c0000
#include "internal/pycore_hashtable.h"
#include "internal/pycore_tracemalloc.h"
#endif
#if PY_VERSION_HEX >= 0x030e0000
#include "internal/pycore_interpframe.h"
#endif

#include "private_structs.h"
#include "stream_structs.h"

// How wide a member is and whether it has a sign; of a word, a pointer, an array or a struct "-".
#define WIDTH(member) \
    _Generic((member), \
        _Bool: "u1", \
        char: "i1", \
        signed char: "i1", \
        unsigned char: "u1", \
        short: "i2", \
        unsigned short: "u2", \
        int: "i4", \
        unsigned int: "u4", \
        default: "-")

int main(void) {
    printf("version %s\n", PY_VERSION);
#include "fields.inc"
    return 0;
}
