import { SENDERS } from "../rows.ts";
import { testRows } from "./test-rows.ts";

testRows(SENDERS);
