/**
 * Log lines about connections that were refused, closed, or cannot talk to the hub.
 *
 * @module
 */

import { Counter } from "../shared/memory.ts";
import type { Complaint, Complaints } from "./complaints.ts";
import type { Connection, GivenUp } from "./connections.ts";
import type { Publisher, PublisherChange } from "./subscriptions.ts";

/**
 * Shortest time between two lines about sockets of a wrong type, or about an address that connects
 * too often, in milliseconds.
 */
const RARE_MS = 60_000;

/** Maximum nodes named per second whose connections were closed. Further ones are counted. */
const NODES_SAID_MAX = 20;

const PUBLISHER_CHANGES = {
  connected: { level: "info", message: "Subscribed to" },
  lost: { level: "warn", message: "Lost the publisher; will reconnect when it is back:" },
  unreachable: { level: "warn", message: "Cannot reach the publisher yet; will keep trying:" },
  failed: {
    level: "warn",
    message: "Cannot subscribe: is it a PUB socket, and are both keys right? Will keep trying:",
  },
} as const satisfies Record<PublisherChange, Pick<Complaint, "level" | "message">>;

/** The reports of one hub. They belong to the receiver's thread. */
export class ConnectionReports {
  private nodesGivenUp = 0;

  /** @param bounds why there are too many connections, e.g. `there are 1000 already (…)` */
  constructor(
    private readonly complaints: Complaints,
    private readonly counters: Float64Array,
    private readonly bounds: string,
  ) {}

  /** @param isForNow whether the sender is accepted if it tries again later */
  refused(reason: string, fields: Record<string, unknown>, isForNow = false): void {
    this.counters[Counter.denied]!++;
    this.complaints.add(isForNow ? "hurry" : "denied", {
      level: "warn",
      message: `Refused a connection: ${reason}`,
      fields,
      ...(isForNow && { windowMs: RARE_MS }),
    });
  }

  /** A known node must be reported: its camera hangs if it waits for a reply. */
  givenUp({ peer, node, address, unheardMs }: Connection, reason: GivenUp): void {
    const why = {
      tooMany: this.bounds,
      unfinished: "messages that have not come whole hold too much memory (max_unfinished_bytes)",
      silent: `TCP has heard nothing from it for ${Math.round(unheardMs / 60_000)} minutes`,
    }[reason];
    if (reason !== "silent") {
      this.counters[Counter.denied]!++;
      this.complaints.add(reason, {
        level: "warn",
        message: `Closed a connection: ${why}`,
        fields: { from: peer },
      });
    }
    if (node === undefined) return;
    this.complaints.add(`node ${this.nodesGivenUp++ % NODES_SAID_MAX}`, {
      level: "info",
      message: `The connection of ${node || "a node without a name"} has ended: ${why}`,
      fields: { node, address },
    });
  }

  /** @param peer has a socket of a type that cannot talk to the hub's */
  wrongType(peer: string): void {
    this.counters[Counter.denied]!++;
    this.complaints.add("type", {
      level: "warn",
      message:
        "Closed a connection that does not speak as a REQ socket does: a PUB, PUSH or SUB socket cannot send to this port, " +
        "only REQ (REQ_REP=True in imagezmq) of libzmq 4 or later; for PUB see the setting subscribe",
      fields: { from: peer },
      windowMs: RARE_MS,
    });
  }

  publisher({ endpoint }: Publisher, change: PublisherChange): void {
    const { level, message } = PUBLISHER_CHANGES[change];
    this.complaints.add(`${endpoint} ${change}`, { level, message: `${message} ${endpoint}` });
  }
}
