/** A bound on work that runs at once (pulls, changes of networks). Who is stopped while waiting leaves the queue. */
export interface Slots {
  isFull(): boolean;
  run<T>(stop: AbortSignal, work: () => Promise<T>): Promise<T>;
}

export function createSlots(max: number): Slots {
  const waiting: (() => void)[] = [];
  let running = 0;
  const turn = (stop: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const begin = (): void => {
        stop.removeEventListener('abort', leave);
        running += 1;
        resolve();
      };
      const leave = (): void => {
        const place = waiting.indexOf(begin);
        if (place >= 0) waiting.splice(place, 1);
        reject(new Error('it was stopped'));
      };
      if (running < max) return begin();
      stop.addEventListener('abort', leave, { once: true });
      waiting.push(begin);
    });
  return {
    isFull: () => running >= max,
    async run(stop, work) {
      await turn(stop);
      try {
        return await work();
      } finally {
        running -= 1;
        waiting.shift()?.();
      }
    },
  };
}
