/**
 * Bounds that several parts share, or that hold only together. `test/limits.test.ts` asserts how
 * they relate.
 *
 * @module
 */

// Threads

/** Maximum writers of one hub. */
export const WRITERS_MAX = 64;

/** Maximum threads that store: the writers and the fast path. */
export const STORING_THREADS_MAX = WRITERS_MAX + 1;

/** Maximum flushers: one for the disk of `images` and one for that of `logs`. */
export const FLUSHERS_MAX = 2;

// Requests in hand

/** Maximum value of `queuemax`. */
export const QUEUE_IMAGES_MAX = 100_000;

/** Maximum value of `max_connections`. Each connection takes a file descriptor. */
export const CONNECTIONS_MAX = 100_000;

/** Slots of the fast path: what it has received, or answered and the receiver not yet counted. */
export const FAST_SLOTS = 128;

/**
 * Maximum requests that wait for the fast path at once. With more it is time for the writers to
 * share the work. The other half of the slots may hold what is not counted yet.
 */
export const FAST_BATCH = FAST_SLOTS / 2;

/** Bytes of a frame: a `zmq_msg_t` has this size on every platform, aligned as a pointer is. */
export const FRAME_BYTES = 64;

// Texts and names

/** Maximum length of an event's text, in bytes of UTF-8. imagenode's own stay below 200. */
export const TEXT_BYTES_MAX = 4096;

/** Maximum length of a file name on the file systems in use (NAME_MAX), in bytes. */
export const FILE_NAME_BYTES_MAX = 255;

/** Length of what the hub adds to a name: `-2018-12-30T23.13.31.620992.jpg`. */
const IMAGE_SUFFIX_BYTES = 31;

/**
 * Maximum length of the part of a file name that comes from the sender, in bytes of UTF-8. The rest
 * is cut.
 */
export const IMAGE_NAME_BYTES_MAX = FILE_NAME_BYTES_MAX - IMAGE_SUFFIX_BYTES;

// Nodes

/** Maximum known nodes. Each view counts as one. */
export const NODES_MAX = 1000;

/**
 * Longest name, in characters, that may be that of a node and a view, and that is remembered. A
 * stranger's may be as long as a header, and full of spaces.
 */
export const NODE_NAME_MAX = 256;

// What is kept

/** Dated event logs that are kept unless a setting says otherwise: Python's `backupCount`. */
export const EVENT_LOGS_DEFAULT = 995;

// Disks that stall

/** A write that takes longer than this, in milliseconds, is one that others must not wait for. */
export const SLOW_MS = 20;

/**
 * How often the receiver sees to what is not about requests, and how soon after the last one, in
 * milliseconds.
 */
export const CHORES_MS = 50;

/** How long a thread may have the same request in hand before the log says so, in seconds. */
export const STALL_LOGGED_SECONDS = 2;

/**
 * The same until the hub is unhealthy, in seconds. imagenode waits a second for a reply, every
 * 10 s.
 */
export const STALL_UNHEALTHY_SECONDS = 5;

// Threads that hang

/** How long a thread may take to go round its loop until it counts as silent, in milliseconds. */
export const TURN_MS_MAX = 1000;

/** How often the watchdog is fed within the time that systemd waits for it: two may fail. */
export const WATCHDOG_FEEDS = 3;

// A stop: its parts in order, which together stay below the bound of the process

/**
 * Quiet time after which a stop assumes that every sender awaits its reply, in milliseconds. A
 * sender that pauses for less is caught with a request in hand, and not with one on its way to a
 * connection that closes. imagenode waits a second for a reply.
 */
export const STOP_QUIET_MS = 250;

/** How long a stop receives from senders that do not wait for their replies, in milliseconds. */
export const STOP_RECEIVE_MS_MAX = 4000;

/** How long a stop receives and waits for the disk, in milliseconds. */
export const STOP_STORE_MS_MAX = 7000;

/** Maximum replies that a stop holds back. Senders that wait for theirs have one each. */
export const HELD_REPLIES_MAX = 10_000;

/**
 * Number of steps in which the held replies are sent, each of a millisecond or more. Senders of one
 * process share the thread that sees their connections end, and it is late where many end at once:
 * of 1,500 senders in four processes some 60 lost a request with 4 ended at a time, and 250 with
 * 32.
 */
export const FAREWELL_STEPS = 400;

/** How long a stop waits until libzmq has written the held replies, in milliseconds. */
export const FAREWELL_MS_MAX = 1200;

/** The same in one step: less than {@link CORK_MS}. */
export const FAREWELL_STEP_MS_MAX = 100;

/** How long the kernel holds back what is corked, in milliseconds: tcp(7), TCP_CORK. */
export const CORK_MS = 200;

/** Default of `linger`, in seconds. */
export const LINGER_SECONDS = 1;

/** Most connections to a port for subscribers. */
export const SUBSCRIBERS_MAX = 128;

/** How long a stop tells others what was stored last, and until when after its begin. */
export const TELL_MS_MAX = 2000;
export const TELL_END_MS = 9000;

/** How long a stop waits for what is on its way to a bucket, and for what follows that. */
export const REPLICATE_END_MS = 2000;
export const REPLICATE_MS_MAX = 2500;

/** When a stop that hangs is ended, in milliseconds. */
export const STOP_MS_MAX = 9500;

/** What service managers give a process to stop, at least, in milliseconds. */
export const SERVICE_STOP_MS = 10_000;
