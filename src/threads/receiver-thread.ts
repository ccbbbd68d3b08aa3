/**
 * The thread of the receiver.
 *
 * @module
 */

import { receiveMessageOnPort } from "node:worker_threads";
import { Calendar, systemClock } from "../protocol/calendar.ts";
import { EventFd } from "../os/wait.ts";
import { describeBindError } from "../receiver/bind-error.ts";
import type { Report } from "../receiver/complaints.ts";
import { Receiver } from "../receiver/receiver.ts";
import { checkZmqVersion, ZmqError } from "../zmq/library.ts";
import { VERSION } from "../version.ts";
import type { ReceiverMessage, ReceiverStart, ToReceiver } from "../shared/messages.ts";
import { Loan } from "../shared/loan.ts";
import { RequestQueue } from "../shared/queue.ts";
import { RECEIVER_THREAD } from "../shared/memory.ts";

declare const self: Worker;

const post = (message: ReceiverMessage): void => self.postMessage(message);
const report: Report = (level, message, fields = {}) =>
  post({ type: "log", level, message, fields });

self.onmessage = ({ data }: MessageEvent<ReceiverStart>) => {
  const { settings, shared, receiverWakeFd, fastPathWakeFd, remembered, orders } = data;
  checkZmqVersion();
  const wake = new EventFd(receiverWakeFd);
  const queue = new RequestQueue(shared, wake, RECEIVER_THREAD);
  const calendar = new Calendar(systemClock);
  const loan = new Loan(shared, settings.writers, new EventFd(fastPathWakeFd));
  const parts = {
    settings,
    shared,
    queue,
    loan,
    wake,
    calendar,
    version: VERSION,
    remembered,
    // The receiver never returns to its event loop, where messages come else.
    nextOrder: () => receiveMessageOnPort(orders)?.message as ToReceiver | undefined,
    report,
    tell: post,
  };
  const receiver = new Receiver(parts);
  const host = settings.bind.includes(":") ? `[${settings.bind}]` : settings.bind;
  const endpoint = `tcp://${host}:${settings.port}`;
  try {
    receiver.bind(endpoint);
  } catch (error) {
    if (!(error instanceof ZmqError)) throw error;
    post({ type: "bindFailed", reason: describeBindError(endpoint, settings.port, error) });
    return;
  }
  post({ type: "bound", endpoint, socket: receiver.lendable });
  post({ type: "stopped", unanswered: receiver.run() });
};
