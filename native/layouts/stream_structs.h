// Streams of zlib, bz2 and lzma, restated as in private_structs.h.
#pragma once

#include <Python.h>

// zlib.h, bzlib.h, lzma/base.h: what is told of a stream, and the state behind it
struct zlib_stream {
    void *next_in;
    unsigned avail_in;
    unsigned long total_in;
    void *next_out;
    unsigned avail_out;
    unsigned long total_out;
    void *msg, *state, *alloc, *free, *opaque;
    int data_type;
    unsigned long adler, reserved;
};
struct bz2_stream {
    void *next_in;
    unsigned avail_in, total_in[2];
    void *next_out;
    unsigned avail_out, total_out[2];
    void *state, *alloc, *free, *opaque;
};
struct lzma_stream_and_allocator {
    void *allocate, *free, *opaque;
    void *next_in;
    size_t avail_in, total_in_low;
    void *next_out;
    size_t avail_out, total_out_low;
    void *allocator, *state, *reserved_pointers[4];
    size_t seek_pos, reserved_numbers[3];
    int reserved_enums[2];
};

// Modules/zlibmodule.c, _bz2module.c, _lzmamodule.c; since 3.15 a lock is no pointer
struct zlib_object {
    PyObject_HEAD
    struct zlib_stream stream;
    PyObject *unused_data, *unconsumed_tail;
    char eof, is_initialised;
    PyObject *zdict;
    void *lock;
};
struct zlib_decompressor {
    PyObject_HEAD
    struct zlib_stream stream;
    PyObject *zdict;
    void *lock;
    PyObject *unused_data;
};
struct bz2_compressor {
    PyObject_HEAD
    struct bz2_stream stream;
    int flushed;
    void *lock;
};
struct bz2_decompressor {
    PyObject_HEAD
    struct bz2_stream stream;
    char eof;
    PyObject *unused_data;
    char needs_input;
    char *input_buffer;
    size_t input_buffer_size, avail_in_real;
    void *lock;
};
struct lzma_compressor {
    PyObject_HEAD
    struct lzma_stream_and_allocator stream;
    int flushed;
    void *lock;
};
struct lzma_decompressor {
    PyObject_HEAD
    struct lzma_stream_and_allocator stream;
    int check;
    char eof;
    PyObject *unused_data;
    char needs_input;
    char *input_buffer;
    size_t input_buffer_size;
    void *lock;
};
