/**
 * A sample of `/api/status`, without a hub.
 *
 * @module
 */

import type { Status } from "../../../src/http/status.ts";

/** A status with nodes of every kind; times are relative to its own. */
export function statusAt(time: string): Status {
  const before = (seconds: number): string =>
    new Date(Date.parse(time) - seconds * 1000).toISOString();
  const node = {
    address: "192.168.86.41",
    images_today: 0,
    events_today: 0,
    last_heartbeat: null,
    silent: false,
    silent_after: null,
    silent_since: null,
  };
  return {
    version: "1.2.3",
    commit: "abc",
    healthy: false,
    reasons: ["The disk is full"],
    draining_since: null,
    time,
    started: before(3 * 86_400 + 4 * 3600),
    uptime_seconds: 3 * 86_400 + 4 * 3600,
    settings: { patience: 10, data_directory: "/srv/imagehub" },
    totals: {
      images: 12_345,
      image_bytes: 1_234_567_890,
      events: 7,
      images_over_cap: 0,
      failed: 2,
      refused: 1,
      denied: 3,
    },
    connections: 4,
    publishers: { connected: 0, total: 0 },
    queue: { requests: 1, capacity: 500, awaiting_bucket: 0 },
    today: { date: "2026-11-22", images: 812, limit: 5000 },
    data_directory_problem: null,
    disk: { free_bytes: 999, size_bytes: 64_000_000_000, outlook: "filling", full_in_days: 6.5 },
    kept: {
      days: 30,
      first_day: "2026-10-24",
      images: 123_456,
      bytes: 5_400_000_000,
      protected_images: 12,
      bytes_per_day: 180_000_000,
      cameras: [{ name: "Barn", images: 123_456, bytes: 5_400_000_000 }],
      pruned: { min_free: { count: 3211, bytes: 512_000_000 } },
    },
    archive: {
      directory: "/mnt/nas",
      files: 5,
      bytes: 1000,
      last_success: before(3600),
      problem: null,
    },
    outlets: [
      {
        name: "mqtt",
        target: "mqtt://192.168.86.10",
        connected_since: null,
        sent: 1234,
        dropped: 5,
        waiting: 6,
        subscribers: null,
        last_error: { time: before(60), message: "The broker refuses the connection" },
      },
      {
        name: "publish",
        target: "tcp://*:5556",
        connected_since: before(3600),
        sent: 12,
        dropped: 0,
        waiting: 0,
        subscribers: 1,
        last_error: null,
      },
    ],
    replication: {
      target: "s3.example.com/farm/barn",
      connected_since: null,
      images: 4321,
      bytes: 432_100_000,
      waiting_images: 77,
      waiting_bytes: 7_700_000,
      oldest_waiting: before(7200),
      differences: 1,
      last_error: { time: before(30), message: "https://s3.example.com cannot be reached" },
    },
    notices: ["The disk will be full in 6 days at this week's rate; see keep.min_free"],
    send_command: null,
    nodes: [
      {
        ...node,
        node: "Barn",
        view: "",
        last_seen: before(12),
        last_heartbeat: before(12),
        events_today: 2,
      },
      {
        ...node,
        node: "Barn",
        view: "Tür",
        last_seen: before(2 * 86_400),
        last_heartbeat: before(12),
        images_today: 812,
      },
      { ...node, node: "Evil \u001B[31m\u202E", view: "x", last_seen: before(600), address: "::1" },
      {
        ...node,
        node: "",
        view: "",
        last_seen: before(601),
        silent: true,
        silent_since: before(1),
      },
      {
        ...node,
        node: "Gate",
        view: "",
        last_seen: before(1801),
        silent: true,
        silent_after: 30,
        silent_since: before(1),
      },
    ],
  };
}
