import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import '../tokens-patient.css';
import './me.css';
import { Today } from './Today';

const root = document.getElementById('root');
if (root)
  createRoot(root).render(
    <StrictMode>
      <Today />
    </StrictMode>,
  );
