import { predict } from './predict.js';

const violations = [];
document.addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective));

const fromWorker = new Promise((resolve) => {
  new Worker('worker.js', { type: 'module' }).onmessage = ({ data }) => resolve(data);
});
const fromPage = predict().catch((error) => ({ error: `${error.name}: ${error.message}` }));
window.results = { page: await fromPage, worker: await fromWorker, violations };
