// Gathers what goes wrong in a page, from before its own scripts.

window.complaints = [];
const complain = (text) => window.complaints.push(String(text));
// What cannot be loaded does not bubble.
addEventListener('error', ({ message, target }) => complain(message ?? `${target.outerHTML} cannot be loaded`), true);
addEventListener('unhandledrejection', ({ reason }) => complain(reason));
document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => complain(`${violatedDirective}: ${blockedURI}`));
for (const level of ['log', 'warn', 'error']) console[level] = (...words) => complain(words.join(' '));
