#include "file/disk_state.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "base/check.h"

namespace varve {
namespace {

constexpr uint64_t pages_of(uint64_t bytes) { return (bytes + kDiskPageBytes - 1) / kDiskPageBytes; }

// splitmix64: small, seedable, the same everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  // Evenly among 0 .. count - 1 (the bias is below 2^-32 for the counts here).
  uint64_t below(uint64_t count) { return next() % count; }

 private:
  uint64_t next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  }
  uint64_t state_;
};

// Decides how much of each *unit* survives. A unit is what is lost independently of the rest: one folder's changes,
// one file's size, one page. Its possible states are numbered in the order in which they came about.
class Chooser {
 public:
  Chooser(CrashMode mode, uint64_t seed) : mode_(mode), random_(seed) {
    if (mode_ == CrashMode::kSampled) style_ = static_cast<Style>(random_.below(kStyles));
  }

  // Must be called before the first choice when the style singles one unit out.
  void set_units(uint64_t count) {
    if (mode_ == CrashMode::kSampled && count > 0) special_ = random_.below(count);
  }

  // The state of the next unit, of `first` (what was flushed, or the earliest allowed) to `last` (the newest).
  uint64_t choose(uint64_t first, uint64_t last) {
    const uint64_t unit = unit_++;
    if (mode_ == CrashMode::kLost || first == last) return first;
    if (mode_ == CrashMode::kKept) return last;
    switch (style_) {
      case Style::kIndependent:
      case Style::kTorn:
        return first + random_.below(last - first + 1);
      case Style::kLoseOne:
        return unit == special_ ? first + random_.below(last - first) : last;
      case Style::kKeepOne:
        return unit == special_ ? first + 1 + random_.below(last - first) : first;
    }
    return first;
  }

  bool torn() const { return mode_ == CrashMode::kSampled && style_ == Style::kTorn; }
  // Another independent draw for a sector of a torn page.
  uint64_t choose_sector(uint64_t first, uint64_t last) { return first + random_.below(last - first + 1); }

 private:
  enum class Style : uint8_t { kIndependent, kTorn, kLoseOne, kKeepOne };
  static constexpr uint64_t kStyles = 4;

  CrashMode mode_;
  Random random_;
  Style style_ = Style::kIndependent;
  uint64_t special_ = 0;
  uint64_t unit_ = 0;
};

// A change of a file's contents that is not flushed yet. `at` is its number in the log (kFlushed: unused).
struct Change {
  enum class Kind : uint8_t {
    kBytes,    // length bytes at position
    kCut,      // everything from position on became zero, and gone
    kFlushed,  // the pages in `pages` were flushed here: what came before is in the image already
  };
  Kind kind;
  size_t at;
  uint64_t position = 0;
  uint64_t length = 0;
  size_t bytes_at = 0;
  std::set<uint64_t> pages;
};

struct SizeChange {
  size_t at;
  uint64_t size;
};

// Follows one file through the log: what is flushed, and what came after.
class FileReplay {
 public:
  FileReplay(const OperationLog& log, const DiskFile* start) : log_(log) {
    if (start == nullptr) return;
    flushed_size_ = start->size;
    shared_ = start->bytes;
    allocated_ = start->allocated;
  }

  void apply(const Operation& operation, size_t at) {
    switch (operation.kind) {
      case OperationKind::kWrite:
        add_bytes(operation, at);
        note_size(operation.size_after, at);
        break;
      case OperationKind::kResize:
        if (operation.size_after < current_size()) add_cut(operation.size_after, at);
        note_size(operation.size_after, at);
        break;
      case OperationKind::kAllocate:
        note_blocks(operation.position, operation.length);
        note_size(operation.size_after, at);
        break;
      case OperationKind::kSyncFile:
        flush_all(at);
        break;
      case OperationKind::kSyncRange:
        flush_range(operation.position, operation.length, at);
        break;
      case OperationKind::kSyncFailed:
        failed_at_ = changes_.size();
        break;
      default:
        check(false, "an operation on a folder was given to a file");
    }
  }

  // Units for the Chooser: the size, and each changed page. To be called once, after the last apply().
  uint64_t find_units() {
    find_changed_pages();
    return (sizes_.empty() ? 0 : 1) + page_changes_.size();
  }

  DiskFile survive(Chooser* chooser) {
    uint64_t size = flushed_size_;
    size_t survived_until = size_flushed_until_;  // the number after the operation that made the surviving size
    if (!sizes_.empty()) {
      const uint64_t chosen = chooser->choose(0, sizes_.size());
      if (chosen > 0) {
        size = sizes_[chosen - 1].size;
        survived_until = sizes_[chosen - 1].at + 1;
      }
    }
    std::vector<uint8_t> page(kDiskPageBytes);
    for (const auto& [number, changes] : page_changes_) {
      const auto [first, last] = allowed(number, changes, survived_until);
      const uint64_t chosen = chooser->choose(first, last);
      if (number * kDiskPageBytes >= size) continue;  // past the end: gone either way
      const bool torn = chooser->torn() && first != last;
      if (chosen == 0 && !torn) continue;
      build_page(number, changes, chosen, &page);
      if (torn) tear(number, changes, first, last, chooser, &page);
      put_page(number, page);
    }
    DiskFile result;
    result.size = size;
    if (owned_) {
      image_.resize(std::min<uint64_t>(image_.size(), size));
      result.bytes = std::make_shared<const std::vector<uint8_t>>(std::move(image_));
    } else if (shared_ != nullptr && shared_->size() > size) {
      result.bytes = std::make_shared<const std::vector<uint8_t>>(shared_->begin(),
                                                                  shared_->begin() + static_cast<ptrdiff_t>(size));
    } else {
      result.bytes = shared_;
    }
    if (allocated_.size() > pages_of(size)) allocated_.resize(pages_of(size));
    result.allocated = std::move(allocated_);
    return result;
  }

 private:
  uint64_t current_size() const { return sizes_.empty() ? flushed_size_ : sizes_.back().size; }

  void note_size(uint64_t size, size_t at) {
    if (size != current_size()) sizes_.push_back({at, size});
  }

  void note_blocks(uint64_t position, uint64_t length) {
    const uint64_t end = pages_of(position + length);
    if (allocated_.size() < end) allocated_.resize(end);
    for (uint64_t page = position / kDiskPageBytes; page < end; ++page) allocated_[page] = true;
  }

  void add_bytes(const Operation& operation, size_t at) {
    note_blocks(operation.position, operation.length);
    changes_.push_back({Change::Kind::kBytes, at, operation.position, operation.length, operation.bytes_at, {}});
  }

  void add_cut(uint64_t position, size_t at) {
    if (allocated_.size() > pages_of(position)) allocated_.resize(pages_of(position));
    changes_.push_back({Change::Kind::kCut, at, position, 0, 0, {}});
  }

  // The flushed contents, writable.
  std::vector<uint8_t>& image() {
    if (!owned_) {
      if (shared_ != nullptr) image_ = *shared_;
      shared_.reset();
      owned_ = true;
    }
    return image_;
  }

  void flush_all(size_t at) {
    if (failed_at_ > 0) {
      flush_pages_changed_since_failure();
    } else {
      for (const Change& change : changes_) {
        if (change.kind == Change::Kind::kBytes) {
          std::vector<uint8_t>& bytes = image();
          if (bytes.size() < change.position + change.length) bytes.resize(change.position + change.length);
          std::memcpy(bytes.data() + change.position, log_.bytes.data() + change.bytes_at, change.length);
        } else if (change.kind == Change::Kind::kCut) {
          if (image().size() > change.position) image().resize(change.position);
        }
      }
      changes_.clear();
    }
    flush_size(at);
  }

  void flush_size(size_t at) {
    flushed_size_ = current_size();
    size_flushed_until_ = at;
    sizes_.clear();
  }

  // After a failed flush the pages that it should have saved are clean and stay uncertain; only those that were changed
  // again are written by this one.
  void flush_pages_changed_since_failure() {
    find_changed_pages();
    std::set<uint64_t> pages;
    for (const auto& [number, changes] : page_changes_) {
      if (!changes.empty() && changes.back() >= failed_at_) pages.insert(number);
    }
    flush_pages(std::move(pages));
  }

  void flush_range(uint64_t position, uint64_t length, size_t at) {
    find_changed_pages();
    std::set<uint64_t> pages;
    const uint64_t end = pages_of(position + length);
    for (const auto& [number, changes] : page_changes_) {
      const bool dirty = !changes.empty() && (failed_at_ == 0 || changes.back() >= failed_at_);
      if (dirty && number >= position / kDiskPageBytes && number < end) pages.insert(number);
    }
    flush_pages(std::move(pages));
    flush_size(at);
  }

  void flush_pages(std::set<uint64_t> pages) {
    if (pages.empty()) return;
    std::vector<uint8_t> page(kDiskPageBytes);
    for (uint64_t number : pages) {
      const std::vector<size_t>& changes = page_changes_.at(number);
      build_page(number, changes, changes.size(), &page);
      put_page(number, page);
    }
    changes_.push_back({Change::Kind::kFlushed, 0, 0, 0, 0, std::move(pages)});
  }

  // For each page the changes (indexes into changes_) that touched it after it was last flushed, oldest first.
  void find_changed_pages() {
    page_changes_.clear();
    uint64_t end = pages_of(owned_ ? image_.size() : (shared_ == nullptr ? 0 : shared_->size()));
    for (size_t i = 0; i < changes_.size(); ++i) {
      const Change& change = changes_[i];
      switch (change.kind) {
        case Change::Kind::kBytes: {
          const uint64_t last = pages_of(change.position + change.length);
          for (uint64_t page = change.position / kDiskPageBytes; page < last; ++page) page_changes_[page].push_back(i);
          end = std::max(end, last);
          break;
        }
        case Change::Kind::kCut:
          for (uint64_t page = change.position / kDiskPageBytes; page < end; ++page) page_changes_[page].push_back(i);
          break;
        case Change::Kind::kFlushed:
          for (uint64_t page : change.pages) page_changes_.erase(page);
          break;
      }
    }
  }

  // States of a page: 0 is the flushed one, n the one after the first n of its changes. A cut below the whole page
  // allows only states on its own side.
  std::pair<uint64_t, uint64_t> allowed(uint64_t number, const std::vector<size_t>& changes,
                                        size_t survived_until) const {
    uint64_t first = 0;
    uint64_t last = changes.size();
    for (size_t i = 0; i < changes.size(); ++i) {
      const Change& change = changes_[changes[i]];
      if (change.kind != Change::Kind::kCut || change.position > number * kDiskPageBytes) continue;
      if (change.at < survived_until) {
        first = i + 1;
      } else {
        last = i;
        break;
      }
    }
    return {first, last};
  }

  // The page as it was after the first `count` of its changes.
  void build_page(uint64_t number, const std::vector<size_t>& changes, uint64_t count,
                  std::vector<uint8_t>* page) const {
    const uint64_t start = number * kDiskPageBytes;
    const std::vector<uint8_t>* flushed = owned_ ? &image_ : shared_.get();
    std::fill(page->begin(), page->end(), uint8_t{0});
    if (flushed != nullptr && flushed->size() > start) {
      std::memcpy(page->data(), flushed->data() + start, std::min<uint64_t>(kDiskPageBytes, flushed->size() - start));
    }
    for (uint64_t i = 0; i < count; ++i) {
      const Change& change = changes_[changes[i]];
      const uint64_t from = std::max(start, change.position);
      if (change.kind == Change::Kind::kCut) {
        std::memset(page->data() + (from - start), 0, kDiskPageBytes - (from - start));
        continue;
      }
      const uint64_t to = std::min(start + kDiskPageBytes, change.position + change.length);
      std::memcpy(page->data() + (from - start), log_.bytes.data() + change.bytes_at + (from - change.position),
                  to - from);
    }
  }

  void tear(uint64_t number, const std::vector<size_t>& changes, uint64_t first, uint64_t last, Chooser* chooser,
            std::vector<uint8_t>* page) const {
    std::vector<uint8_t> other(kDiskPageBytes);
    for (size_t at = 0; at < kDiskPageBytes; at += kDiskSectorBytes) {
      build_page(number, changes, chooser->choose_sector(first, last), &other);
      std::memcpy(page->data() + at, other.data() + at, kDiskSectorBytes);
    }
  }

  void put_page(uint64_t number, const std::vector<uint8_t>& page) {
    std::vector<uint8_t>& bytes = image();
    const uint64_t start = number * kDiskPageBytes;
    if (bytes.size() < start + kDiskPageBytes) bytes.resize(start + kDiskPageBytes);
    std::memcpy(bytes.data() + start, page.data(), kDiskPageBytes);
  }

  const OperationLog& log_;
  uint64_t flushed_size_ = 0;
  size_t size_flushed_until_ = 0;                       // operations before this number are in flushed_size_
  std::shared_ptr<const std::vector<uint8_t>> shared_;  // the flushed contents, until they are changed
  std::vector<uint8_t> image_;                          // then here
  bool owned_ = false;
  std::vector<bool> allocated_;
  std::vector<Change> changes_;  // since the last whole flush
  std::vector<SizeChange> sizes_;
  size_t failed_at_ = 0;  // changes_ before this index were in a flush that failed
  std::map<uint64_t, std::vector<size_t>> page_changes_;
};

// Follows the folders through the log.
class FolderReplay {
 public:
  explicit FolderReplay(const DiskState& start) : folders_(start.folders) {}

  void apply(const Operation& operation) {
    if (operation.kind == OperationKind::kSyncFolder) {
      flush(operation.inode);
    } else {
      pending_.push_back(&operation);
    }
  }

  uint64_t find_units() {
    counts_.clear();
    for (const Operation* operation : pending_) {
      for (InodeNumber folder : touched(*operation)) ++counts_[folder];
    }
    return counts_.size();
  }

  std::map<InodeNumber, std::map<std::string, InodeNumber>> survive(Chooser* chooser) {
    std::map<InodeNumber, uint64_t> left;  // how many more changes of each folder survive
    for (const auto& [folder, count] : counts_) left[folder] = chooser->choose(0, count);
    for (const Operation* operation : pending_) {
      const std::set<InodeNumber> folders = touched(*operation);
      const bool survives = std::all_of(folders.begin(), folders.end(), [&](InodeNumber f) { return left[f] > 0; });
      for (InodeNumber folder : folders) {
        if (survives) {
          --left[folder];
        } else {
          left[folder] = 0;  // a prefix: nothing after this one
        }
      }
      if (survives) change(*operation);
    }
    return std::move(folders_);
  }

 private:
  static std::set<InodeNumber> touched(const Operation& operation) {
    std::set<InodeNumber> folders;
    for (const EntryChange& entry : operation.entries) folders.insert(entry.folder);
    return folders;
  }

  // Everything that touches the folder, and what came before that in the folders it touches too.
  void flush(InodeNumber folder) {
    std::set<InodeNumber> flushed{folder};
    std::vector<const Operation*> now;
    std::vector<const Operation*> later;
    for (auto operation = pending_.rbegin(); operation != pending_.rend(); ++operation) {
      const std::set<InodeNumber> folders = touched(**operation);
      const bool goes =
          std::any_of(folders.begin(), folders.end(), [&](InodeNumber f) { return flushed.count(f) != 0; });
      if (goes) flushed.insert(folders.begin(), folders.end());
      (goes ? now : later).push_back(*operation);
    }
    for (auto operation = now.rbegin(); operation != now.rend(); ++operation) change(**operation);
    pending_.assign(later.rbegin(), later.rend());
  }

  void change(const Operation& operation) {
    if (operation.kind == OperationKind::kCreateFolder) folders_.try_emplace(operation.inode);
    for (const EntryChange& entry : operation.entries) {
      std::map<std::string, InodeNumber>& entries = folders_[entry.folder];
      if (entry.inode == kNoInode) {
        entries.erase(entry.name);
      } else {
        entries[entry.name] = entry.inode;
      }
    }
  }

  std::map<InodeNumber, std::map<std::string, InodeNumber>> folders_;
  std::vector<const Operation*> pending_;
  std::map<InodeNumber, uint64_t> counts_;
};

bool is_folder_operation(OperationKind kind) {
  switch (kind) {
    case OperationKind::kCreateFile:
    case OperationKind::kCreateFolder:
    case OperationKind::kRename:
    case OperationKind::kLink:
    case OperationKind::kRemove:
    case OperationKind::kSyncFolder:
      return true;
    default:
      return false;
  }
}

// Moves what can be reached from `folder` to `state`; files are only noted.
void reach(InodeNumber folder, std::map<InodeNumber, std::map<std::string, InodeNumber>>* all, DiskState* state,
           std::set<InodeNumber>* files) {
  const std::map<std::string, InodeNumber>& entries = state->folders[folder] = std::move((*all)[folder]);
  all->erase(folder);
  for (const auto& [name, inode] : entries) {
    if (all->count(inode) != 0) {
      reach(inode, all, state, files);
    } else if (state->folders.count(inode) == 0) {
      files->insert(inode);
    }
  }
}

}  // namespace

DiskState crash_state(const DiskState& start, const OperationLog& log, size_t at, CrashMode mode, uint64_t seed) {
  check(at <= log.operations.size(), "a crash after the last operation");
  FolderReplay folders(start);
  std::map<InodeNumber, FileReplay> files;
  const auto file_of = [&](InodeNumber inode) -> FileReplay& {
    const auto found = files.find(inode);
    if (found != files.end()) return found->second;
    const auto before = start.files.find(inode);
    return files.try_emplace(inode, log, before == start.files.end() ? nullptr : &before->second).first->second;
  };

  DiskState state;
  state.folders.clear();
  state.next_inode = start.next_inode;
  for (size_t i = 0; i < at; ++i) {
    const Operation& operation = log.operations[i];
    if (!is_folder_operation(operation.kind)) {
      file_of(operation.inode).apply(operation, i);
      continue;
    }
    folders.apply(operation);
    state.next_inode = std::max(state.next_inode, operation.inode + 1);
  }

  // The choices are made in a fixed order: folders, then files by number, of each its size and then its pages. Files
  // that the log did not touch have no choice. Units of files that turn out to have no name are counted all the same.
  uint64_t units = folders.find_units();
  for (auto& [inode, file] : files) units += file.find_units();
  Chooser chooser(mode, seed);
  chooser.set_units(units);

  auto survived = folders.survive(&chooser);
  std::set<InodeNumber> reachable;
  reach(kRootInode, &survived, &state, &reachable);
  for (auto& [inode, file] : files) {
    DiskFile result = file.survive(&chooser);
    if (reachable.erase(inode) != 0) state.files[inode] = std::move(result);
  }
  for (InodeNumber inode : reachable) {
    const auto untouched = start.files.find(inode);
    state.files[inode] = untouched == start.files.end() ? DiskFile{} : untouched->second;
  }
  return state;
}

}  // namespace varve
