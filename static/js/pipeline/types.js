/** The shapes the pipeline draws, as the gateway sends them (dashboard/gateway/proposals.py). Types only. */

/**
 * A proposal through its stages. Times are milliseconds relative to `proposed`, by server where there are several;
 * what was not seen yet is missing or `null`.
 *
 * @typedef {{zxid: string, text: string, epoch: number, counter: number, op: string | null, path: string | null,
 *   session: string | null, size: number | null, server: number | null, submitted: number | null, proposed: number | null,
 *   logged: Record<string, number>, fsync_us: Record<string, number>, acked: Record<string, number>,
 *   committed: number | null, applied: Record<string, number>, replied: number | null, error: number | null,
 *   quorum: number, voters: number, at: number}} Proposal
 */

export {};
