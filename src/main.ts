/**
 * The program. It ends with one of the exit statuses of `errors.ts`.
 *
 * @module
 */

import { main } from "./cli/program.ts";

void main(process.argv.slice(2)).then((status) => process.exit(status));
