/** As few calls as a master takes for so many acknowledgements: Mesos knows one each, Ekiden many in one. Pure. */
import { EKIDEN_BATCH_ACKNOWLEDGE, MAX_ACKNOWLEDGEMENTS_PER_CALL, type Acknowledgement } from '@ekiden/mesos';
import type { FrameworkCall } from './transport.js';

/** In their order. A lone one is a plain ACKNOWLEDGE everywhere. */
export function acknowledgeCalls(acknowledgements: readonly Acknowledgement[], capabilities: ReadonlySet<string>): FrameworkCall[] {
  if (acknowledgements.length <= 1 || !capabilities.has(EKIDEN_BATCH_ACKNOWLEDGE)) {
    return acknowledgements.map((acknowledge) => ({ type: 'ACKNOWLEDGE', acknowledge }));
  }
  const calls: FrameworkCall[] = [];
  for (let start = 0; start < acknowledgements.length; start += MAX_ACKNOWLEDGEMENTS_PER_CALL) {
    const part = acknowledgements.slice(start, start + MAX_ACKNOWLEDGEMENTS_PER_CALL);
    calls.push({ type: EKIDEN_BATCH_ACKNOWLEDGE, batch_acknowledge: { acknowledgements: part } });
  }
  return calls;
}
