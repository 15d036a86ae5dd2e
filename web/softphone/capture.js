// Takes what a stream says out of the audio thread: messages of 16-bit samples, 100 ms each, mono.
class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = new Int16Array(Math.round(sampleRate / 10));
    this.filled = 0;
  }

  process([input]) {
    const channel = input[0];
    // Nothing connected yet, or the track is over: silence of the same length keeps the time.
    const length = channel ? channel.length : 128;
    for (let at = 0; at < length; at += 1) {
      const value = channel ? Math.max(-1, Math.min(1, channel[at])) : 0;
      this.samples[this.filled] = Math.round(value * 32767);
      this.filled += 1;
      if (this.filled === this.samples.length) {
        this.port.postMessage(this.samples.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}
registerProcessor('capture', Capture);
