// Web Push on this device: asks the browser for a subscription with the deployment's key.

export const supported = () => "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

// Returns the subscription as the server stores it; throws with a text for people.
export async function subscribe(key) {
  if ((await Notification.requestPermission()) !== "granted") throw new Error("This browser does not allow notifications of this page.");
  const registration = await navigator.serviceWorker.register("/sw.js");
  await navigator.serviceWorker.ready;
  const made = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  const { endpoint, keys } = made.toJSON();
  return { endpoint, p256dh: keys.p256dh, auth: keys.auth };
}
