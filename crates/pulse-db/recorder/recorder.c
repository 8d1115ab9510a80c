// Records the statements of a program that loads the system's SQLite. `src/record.rs` says when and how.
//
// It is loaded into the program before SQLite (LD_PRELOAD), takes the place of the functions that open a database, and asks
// SQLite for a trace of every connection. Each statement is one line of a workload file, appended by one write. It must never
// disturb the program: no lock, no thread, no state that a fork could break, `errno` as it was, and the file is opened for
// each line, since a program may close or reuse descriptors that it does not know.
//
// It is linked without any library. What it uses of the C library is there in every program that can load it, and does
// not depend on its version.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;

enum { SQLITE_OK = 0, SQLITE_ERROR = 1, TRACE_STMT = 1, TRACE_PROFILE = 2 };
// The longest text that is written, statements of a thread that are open at the same time, and copies of SQLite in a process.
enum { MAX_TEXT = 64 * 1024, MAX_RUNNING = 64, MAX_LIBRARIES = 8 };

// Shared by all processes of a recording; `src/record.rs` reads it.
struct counters {
    _Atomic uint64_t processes;   // that loaded this
    _Atomic uint64_t connections; // that were opened
    _Atomic uint64_t statements;  // that were written
    _Atomic uint64_t lost;        // that were not
    _Atomic uint64_t bytes;       // that were written
    uint64_t max_bytes;
};

// The functions of one copy of SQLite: a connection may be given only to those of its own.
struct library {
    int (*trace)(sqlite3 *, unsigned, int (*)(unsigned, void *, void *, void *), void *);
    const char *(*sql)(sqlite3_stmt *);
    char *(*expanded_sql)(sqlite3_stmt *);
    void (*release)(void *);
    int (*is_readonly)(sqlite3_stmt *);
    sqlite3 *(*connection)(sqlite3_stmt *);
};

struct running {
    sqlite3_stmt *statement;
    sqlite3 *connection;
    uint64_t began_ns;
    int is_readonly;
};

static const char *file;
static struct counters *counters;
static struct library libraries[MAX_LIBRARIES];
static _Atomic int library_count;
// A statement runs on one thread from its first step to its last row.
static __thread struct running running[MAX_RUNNING];

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// How many bytes of UTF-8 begin here; 0 when it is none.
static size_t utf8_length(const unsigned char *text, const unsigned char *end) {
    size_t length = *text < 0x80 ? 1 : *text >= 0xc2 && *text < 0xe0 ? 2 : (*text & 0xf0) == 0xe0 ? 3 : *text >= 0xf0 && *text < 0xf5 ? 4 : 0;
    if (length == 0 || (size_t)(end - text) < length) return 0;
    for (size_t at = 1; at < length; at++)
        if ((text[at] & 0xc0) != 0x80) return 0;
    // Longer than needed, half of a pair, or beyond the last character.
    if (*text == 0xe0 && text[1] < 0xa0) return 0;
    if (*text == 0xed && text[1] >= 0xa0) return 0;
    if (*text == 0xf0 && text[1] < 0x90) return 0;
    if (*text == 0xf4 && text[1] >= 0x90) return 0;
    return length;
}

// Writes a text as JSON has it between quotes, and returns where it ends; at most 6 bytes for each of it.
static char *escape(char *out, const char *text, size_t length) {
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = (const unsigned char *)text, *end = at + length;
    while (at < end) {
        size_t bytes = utf8_length(at, end);
        if (bytes == 0) {
            memcpy(out, "\\ufffd", 6);
            out += 6;
            at += 1;
        } else if (*at == '"' || *at == '\\') {
            *out++ = '\\';
            *out++ = (char)*at++;
        } else if (*at < 0x20) {
            memcpy(out, "\\u00", 4);
            out[4] = digits[*at >> 4];
            out[5] = digits[*at & 15];
            out += 6;
            at += 1;
        } else {
            memcpy(out, at, bytes);
            out += bytes;
            at += bytes;
        }
    }
    return out;
}

static char *decimal(char *out, uint64_t number) {
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0) *out++ = digits[--count];
    return out;
}

// Appends a line, all of it or nothing that counts.
static int append(const char *line, size_t length) {
    if (atomic_fetch_add(&counters->bytes, length) + length > counters->max_bytes) return 0;
    int descriptor = open(file, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0) return 0;
    ssize_t written = write(descriptor, line, length);
    close(descriptor);
    if (written == (ssize_t)length) return 1;
    // Half a line would spoil the one after it: it stays the last.
    if (written > 0) atomic_fetch_add(&counters->bytes, counters->max_bytes);
    return 0;
}

static void record(const char *text, uint64_t duration_ns) {
    static const char before[] = "{\"statement\":\"", between[] = "\",\"calls\":1,\"duration_ns\":";
    size_t length = strlen(text);
    char *line = length <= MAX_TEXT ? malloc(6 * length + sizeof before + sizeof between + 24) : NULL;
    int is_written = 0;
    if (line != NULL) {
        memcpy(line, before, sizeof before - 1);
        char *end = escape(line + sizeof before - 1, text, length);
        memcpy(end, between, sizeof between - 1);
        end = decimal(end + sizeof between - 1, duration_ns);
        memcpy(end, "}\n", 2);
        is_written = append(line, (size_t)(end + 2 - line));
        free(line);
    }
    atomic_fetch_add(is_written ? &counters->statements : &counters->lost, 1);
}

// Whether another statement of the connection runs this one: during a statement that writes only SQLite itself starts others,
// and those that full-text search starts during a query name its tables as nobody else does.
static int is_nested(const struct library *library, sqlite3_stmt *statement, const char *sql) {
    sqlite3 *connection = library->connection(statement);
    for (int at = 0; at < MAX_RUNNING; at++) {
        const struct running *other = &running[at];
        if (other->statement == NULL || other->statement == statement || other->connection != connection) continue;
        if (!other->is_readonly || strstr(sql, "'.'") != NULL) return 1;
    }
    return 0;
}

static void begin(const struct library *library, sqlite3_stmt *statement, const char *text) {
    const char *sql = library->sql(statement);
    // A trigger's beginning is told as a comment, within the statement that set it off.
    if (sql == NULL || text == NULL || strcmp(sql, text) != 0 || is_nested(library, statement, sql)) return;
    struct running *free_place = NULL;
    for (int at = 0; at < MAX_RUNNING; at++) {
        if (running[at].statement == statement) {
            free_place = &running[at];
            break;
        }
        if (free_place == NULL && running[at].statement == NULL) free_place = &running[at];
    }
    if (free_place == NULL) return;
    free_place->statement = statement;
    free_place->connection = library->connection(statement);
    free_place->is_readonly = library->is_readonly(statement);
    free_place->began_ns = now_ns();
}

static void end(const struct library *library, sqlite3_stmt *statement) {
    for (int at = 0; at < MAX_RUNNING; at++) {
        if (running[at].statement != statement) continue;
        uint64_t duration_ns = now_ns() - running[at].began_ns;
        running[at].statement = NULL;
        char *expanded = library->expanded_sql(statement);
        // Without its values where they make it too long.
        int is_short = expanded != NULL && strlen(expanded) <= MAX_TEXT;
        const char *text = is_short ? expanded : library->sql(statement);
        if (text != NULL) record(text, duration_ns);
        if (expanded != NULL) library->release(expanded);
        return;
    }
}

static int traced(unsigned event, void *context, void *statement, void *detail) {
    int saved = errno;
    if (event == TRACE_STMT) begin(context, statement, detail);
    if (event == TRACE_PROFILE) end(context, statement);
    errno = saved;
    return 0;
}

// The functions of the copy of SQLite that `function` is one of.
static const struct library *library_of(void *function) {
    Dl_info info;
    if (dladdr(function, &info) == 0) return NULL;
    void *handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (handle == NULL) handle = dlopen(NULL, RTLD_LAZY);
    if (handle == NULL) return NULL;
    struct library found = {
        (int (*)(sqlite3 *, unsigned, int (*)(unsigned, void *, void *, void *), void *))dlsym(handle, "sqlite3_trace_v2"),
        (const char *(*)(sqlite3_stmt *))dlsym(handle, "sqlite3_sql"),
        (char *(*)(sqlite3_stmt *))dlsym(handle, "sqlite3_expanded_sql"),
        (void (*)(void *))dlsym(handle, "sqlite3_free"),
        (int (*)(sqlite3_stmt *))dlsym(handle, "sqlite3_stmt_readonly"),
        (sqlite3 * (*)(sqlite3_stmt *)) dlsym(handle, "sqlite3_db_handle"),
    };
    dlclose(handle);
    if (!found.trace || !found.sql || !found.expanded_sql || !found.release || !found.is_readonly || !found.connection) return NULL;
    int count = atomic_load(&library_count);
    for (int at = 0; at < count && at < MAX_LIBRARIES; at++)
        if (libraries[at].trace == found.trace) return &libraries[at];
    int place = atomic_fetch_add(&library_count, 1);
    if (place >= MAX_LIBRARIES) return NULL;
    libraries[place] = found;
    return &libraries[place];
}

static void watch(int code, sqlite3 **database, void *function) {
    int saved = errno;
    if (code == SQLITE_OK && counters != NULL && database != NULL && *database != NULL) {
        const struct library *library = library_of(function);
        if (library != NULL && library->trace(*database, TRACE_STMT | TRACE_PROFILE, traced, (void *)library) == SQLITE_OK)
            atomic_fetch_add(&counters->connections, 1);
    }
    errno = saved;
}

// What would have been called without this: the next one in the order of loading, or, for libraries that were loaded for one
// caller alone, the one that the caller itself has or depends on.
static void *next(const char *name, void *caller) {
    void *found = dlsym(RTLD_NEXT, name);
    Dl_info info;
    if (found != NULL || dladdr(caller, &info) == 0) return found;
    void *handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (handle == NULL) return NULL;
    found = dlsym(handle, name);
    dlclose(handle);
    return found;
}

#define EXPORT __attribute__((visibility("default")))

EXPORT int sqlite3_open(const char *name, sqlite3 **database) {
    void *function = next("sqlite3_open", __builtin_return_address(0));
    if (function == NULL) return SQLITE_ERROR;
    int code = ((int (*)(const char *, sqlite3 **))function)(name, database);
    watch(code, database, function);
    return code;
}

EXPORT int sqlite3_open16(const void *name, sqlite3 **database) {
    void *function = next("sqlite3_open16", __builtin_return_address(0));
    if (function == NULL) return SQLITE_ERROR;
    int code = ((int (*)(const void *, sqlite3 **))function)(name, database);
    watch(code, database, function);
    return code;
}

EXPORT int sqlite3_open_v2(const char *name, sqlite3 **database, int flags, const char *system) {
    void *function = next("sqlite3_open_v2", __builtin_return_address(0));
    if (function == NULL) return SQLITE_ERROR;
    int code = ((int (*)(const char *, sqlite3 **, int, const char *))function)(name, database, flags, system);
    watch(code, database, function);
    return code;
}

__attribute__((constructor)) static void start(void) {
    int saved = errno;
    const char *path = getenv("PULSE_RECORD_COUNTERS");
    file = getenv("PULSE_RECORD_FILE");
    int descriptor = path != NULL && file != NULL ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
    // The program may change its environment later.
    file = descriptor >= 0 ? strdup(file) : NULL;
    if (file != NULL) {
        void *shared = mmap(NULL, sizeof *counters, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
        if (shared != MAP_FAILED) {
            counters = shared;
            atomic_fetch_add(&counters->processes, 1);
        }
    }
    if (descriptor >= 0) close(descriptor);
    errno = saved;
}
