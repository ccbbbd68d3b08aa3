import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadSettings } from "../../src/config/load.ts";
import { differences, formatSettings } from "../../src/config/print.ts";
import { tempDir } from "../support/machine/temp.ts";

test("formatSettings writes each setting and where it came from", () => {
  using directory = tempDir();
  const config = join(directory.path, "imagehub.yaml");
  writeFileSync(config, "hub:\n  patience: .5\n");
  const env = {
    IMAGEHUB_BIND: "::1",
    IMAGEHUB_PRINT_SETTINGS: "yes",
    IMAGEHUB_ALLOW: "10.0.0.0/8, ::1",
  };
  const loaded = loadSettings({
    config,
    env,
    overrides: { port: "80", data_directory: "/srv/a #b" },
  });
  expect(formatSettings(loaded)).toBe(`hub:
  queuemax: 500
  patience: 0.5 # file ${config}:2
  cameras: []
  data_directory: "/srv/a #b" # command line --data
  max_images_write: 5000
  print_settings: true # environment IMAGEHUB_PRINT_SETTINGS
  port: 80 # command line --port
  bind: ::1 # environment IMAGEHUB_BIND
  writers: 2
  ack: stored
  ack_timeout: 0.8
  sync_interval: 1
  jpeg_quality: 95
  unlabelled: ignore
  log_level: info
  log_format: auto
  keep:
    days: 0
    event_days: 995
    max_bytes: 0
    min_free: 0
    min_days: 1
    cameras: []
  archive:
    directory: ""
    after_days: 1
    format: tree
    required: true
  allow: [ 10.0.0.0/8, ::1 ] # environment IMAGEHUB_ALLOW
  curve:
    server_key: ""
    client_keys: ""
  subscribe: []
  max_message_bytes: 33554432
  max_text_bytes: 4096
  max_name_bytes: 224
  max_connections: 2000
  receive_hwm: 1000
  max_unanswered: 32
  max_queue_bytes: 134217728
  max_unfinished_bytes: 536870912
  handshake_timeout: 3
  heartbeat_interval: 0
  heartbeat_timeout: 30
  linger: 1
  http:
    listen: 127.0.0.1:8550
    token_file: ""
    tls:
      certificate: ""
      key: ""
  mqtt:
    url: ""
    user: ""
    password_file: ""
    ca: ""
    certificate: ""
    key: ""
    topic: imagehub/<name>
    discovery: homeassistant
    image_interval: 1
  publish: "off"
  publish_topics: "off"
  webhooks: []
  replicate:
    endpoint: ""
    bucket: ""
    region: us-east-1
    name: <name>
    access_key: ""
    secret_key: ""
    key_file: ""
    style: path
    ca: ""
    parallel: 8
    bandwidth: 0
    order: newest
    required: true
  view:
    hubs: []
`);
});

const awkward = [
  "/y",
  "/a: b",
  "/ 'x' \"y\"",
  `/${"long name ".repeat(30)}x`,
  "/\u{1F4F7}",
  "/a\u2028b",
  "/{x}",
  "/#",
];
test.each(awkward)(
  "formatSettings writes what loads to the same settings when a path is %p",
  (path) => {
    using directory = tempDir();
    const config = join(directory.path, "imagehub.yaml");
    const loaded = loadSettings({
      env: { HOME: directory.path },
      overrides: { data_directory: path },
    });
    writeFileSync(config, formatSettings(loaded));
    expect(loadSettings({ config, env: {} }).settings).toEqual(loaded.settings);
  },
);

test("differences gives nothing when the values set are the defaults", () => {
  const env = {
    HOME: "/nowhere",
    IMAGEHUB_PORT: "5555",
    IMAGEHUB_DATA_DIRECTORY: "./imagehub_data",
  };
  expect(differences(loadSettings({ env }))).toEqual({});
});

test("differences gives the settings that are not as by default", () => {
  const env = {
    HOME: "/nowhere",
    IMAGEHUB_PORT: "80",
    IMAGEHUB_DATA_DIRECTORY: "x",
    IMAGEHUB_WRITERS: "2",
  };
  expect(differences(loadSettings({ env }))).toEqual({ port: 80, data_directory: "/nowhere/x" });
});
