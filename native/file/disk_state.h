// What a simulated disk holds, what was done to it, and what a power cut may leave of that.
//
// DiskState is the content of a disk at rest: a tree of folders and files. OperationLog is everything that was done
// on top of it since, in order, flushed or not. crash_state() answers one state that the disk may be in when the power
// goes off just before a given operation. It is a pure function: same arguments, same answer.
//
// Which states are legal (the reference for every crash test; a state is any combination of the choices below):
//
//  Folder entries (create, link, rename, unlink, mkdir, rmdir). Of the changes to one folder a prefix survives, in the
//    order in which they were made, as in a journalling file system; different folders are independent. Everything
//    before the last fsync of the folder survives. A rename is atomic: a change that touches two folders survives in
//    both or in neither, and with it everything before it in both. fsync of a *file* saves none of its names.
//  Sizes. A file has one of the sizes it has had since its last flush (fsync, fdatasync, msync), or the flushed one.
//  Contents. Each 4 KiB page that was changed since the file's last flush holds any of the contents it has had since
//    then, or the flushed one; pages are independent of each other, of the size and of the folder. One thing binds them
//    to the size: a page that the file was cut below belongs to the cut. If the surviving size was reached after the
//    cut, the page holds a content from after it, else one from before. (The page that a cut goes through is zeroed
//    behind it like any other change.) Bytes past the end of the file are gone: growing it later shows zeros.
//  Torn pages (sampled states only). A page may hold each of its eight 512-byte sectors from a different time.
//  A flush that failed. The pages it should have saved count as clean: a later flush covers only pages that were
//    changed again after it.
//  Blocks. Allocation is kept as far as the surviving size reaches; it never changes what is read.
//
// So a page changed and flushed is never lost, and nothing appears that was never there. Weaker disks than this one
// (a flush that lies) are out of scope; what some file systems promise beyond it (ordered data, atomic append) is
// deliberately not modelled, so that nothing may lean on it.
//
// Cost: one pass over the log's bytes and one copy of each file that survives and is not empty. 100 KB take well under
// a millisecond. Memory: contents are shared between states that do not change them.
// Threads: values; not synchronized.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace varve {

using InodeNumber = uint64_t;
constexpr InodeNumber kNoInode = 0;
constexpr InodeNumber kRootInode = 1;

constexpr size_t kDiskPageBytes = 4096;   // the unit in which a file system writes back
constexpr size_t kDiskSectorBytes = 512;  // the unit in which a disk writes whole

struct DiskFile {
  uint64_t size = 0;
  // The first bytes of the file; what follows up to `size` is zero. Never changed once it is here, so it is shared.
  std::shared_ptr<const std::vector<uint8_t>> bytes;
  std::vector<bool> allocated;  // by page; shorter than the file where the rest has no blocks
};

struct DiskState {
  std::map<InodeNumber, std::map<std::string, InodeNumber>> folders{{kRootInode, {}}};
  std::map<InodeNumber, DiskFile> files;
  InodeNumber next_inode = kRootInode + 1;
};

enum class OperationKind : uint8_t {
  kWrite,       // pwrite, or a store into a mapping
  kResize,      // ftruncate
  kAllocate,    // fallocate
  kCreateFile,  // the entries below name it
  kCreateFolder,
  kRename,
  kLink,
  kRemove,  // unlink or rmdir
  kSyncFile,
  kSyncRange,  // msync
  kSyncFolder,
  kSyncFailed,
};

// An entry of a folder set to an inode, or removed with kNoInode.
struct EntryChange {
  InodeNumber folder = kNoInode;
  std::string name;
  InodeNumber inode = kNoInode;
};

struct Operation {
  OperationKind kind;
  InodeNumber inode = kNoInode;  // the file, or the folder that is flushed
  uint64_t position = 0;         // kWrite, kAllocate, kSyncRange
  uint64_t length = 0;
  uint64_t size_after = 0;                // kWrite, kResize, kAllocate
  size_t bytes_at = 0;                    // kWrite: where its bytes start in OperationLog::bytes
  std::vector<EntryChange> entries = {};  // folder changes: one, or two for a rename
};

struct OperationLog {
  std::vector<Operation> operations;
  std::vector<uint8_t> bytes;
};

enum class CrashMode : uint8_t {
  kLost = 0,     // nothing survives that was not flushed
  kKept = 1,     // everything survives: also the state after the process alone has died
  kSampled = 2,  // each choice by the seed, in one of four styles: all independent; independent and torn;
                 // one change lost and the rest kept; one change kept and the rest lost
};

// The disk after a power cut just before operation `at` of the log (at most operations.size()).
DiskState crash_state(const DiskState& start, const OperationLog& log, size_t at, CrashMode mode, uint64_t seed);

}  // namespace varve
