/**
 * A hub that copies into a bucket is killed under load, every second time while the network to the
 * store stalls. The gateway of the store is killed once, and the journal removed now and then.
 * Whatever was answered OK is in the bucket in the end, once and byte for byte.
 *
 * Noting an image in the journal before it is put (`journal.note` before `putOnce` in
 * `replicate/replicator.ts`): "… is not the same in both".
 */

import { killAgain } from "../../support/hub/replica-kills.ts";
import { Ceph } from "../../support/peers/ceph.ts";
import type { Row } from "../row.ts";

const KILLS = 100;

export const replicate: Row = {
  name: "replicate",
  cause: `kill -9 of a hub that copies into a bucket, ${KILLS} times under load; the network stalls every second time, the store is killed, the journal removed`,
  mustHold: "every image that was answered OK is in the bucket, byte for byte and once",
  needs: ["store"],
  run: async ({ program }) => {
    await using store = await Ceph.start();
    const { acknowledged, problems } = await killAgain(store, program, KILLS);
    return { figure: `${acknowledged} images answered OK, all in the bucket`, problems };
  },
};
