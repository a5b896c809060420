// A page that was opened as a file may start no worker. Its search then runs in a hidden frame.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      const inside = frame.contentWindow;
      const say = (target, data) => target.dispatchEvent(new MessageEvent("message", { data }));
      inside.postMessage = (data) => say(this, data);
      const script = frame.contentDocument.createElement("script");
      script.src = new URL(address, location.href).href;
      this.started = new Promise((resolve) => script.addEventListener("load", resolve));
      this.postMessage = (data) => this.started.then(() => say(inside, data));
      frame.contentDocument.body.append(script);
    }
  };
}
