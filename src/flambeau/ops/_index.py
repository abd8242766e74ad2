"""Where composite operators are: INDEX[place][file] lists the names that a file gives a place.

Written by `python -m flambeau.ops._make_index`."""

INDEX: dict[str, dict[str, str]] = {
    "Tensor": {
        "calculus":
            "diff gradient",
        "combine":
            "dsplit hsplit repeat_interleave tensor_split tile unsafe_chunk unsafe_split unsafe_split_with_sizes "
            "vsplit",
        "distance":
            "allclose dist equal isclose norm renorm renorm_",
        "linalg_factor":
            "geqrf ormqr",
        "linalg_legacy":
            "cholesky cholesky_inverse cholesky_solve det inverse lu lu_solve matrix_exp matrix_power pinverse qr "
            "slogdet svd triangular_solve",
        "neural":
            "prelu",
        "pointwise":
            "float_power float_power_ frexp isreal ldexp ldexp_ logdet mvlgamma mvlgamma_ narrow_copy nonzero_static "
            "sum_to_size trace vdot",
        "products":
            "addbmm addbmm_ addmv addmv_ addr addr_ cross ger inner kron outer",
        "segments":
            "argsort broadcast_to is_same_size",
        "shape":
            "adjoint argwhere as_strided_scatter diag diag_embed diagflat diagonal_scatter flatten fliplr flipud "
            "moveaxis movedim ravel rot90 select_scatter slice_scatter swapaxes swapdims take_along_dim unflatten",
        "signal":
            "istft stft",
        "sparse":
            "_coalesced_ _indices _nnz _values ccol_indices coalesce col_indices crow_indices dense_dim hspmm indices "
            "row_indices smm sparse_dim sparse_mask sparse_resize_ sparse_resize_and_clear_ sspaddmm to_sparse "
            "to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr values",
        "statistics":
            "corrcoef count_nonzero cov hash_tensor histogram msort nanmean nanquantile nansum quantile",
    },
    "_nn": {
        "losses":
            "binary_cross_entropy huber_loss l1_loss mse_loss multi_margin_loss multilabel_margin_loss smooth_l1_loss "
            "soft_margin_loss",
        "neural":
            "_pad_circular col2im fractional_max_pool2d fractional_max_pool3d glu im2col max_unpool2d max_unpool3d "
            "one_hot pad reflection_pad1d reflection_pad2d reflection_pad3d relu6 relu6_ replication_pad1d "
            "replication_pad2d replication_pad3d",
        "segments":
            "flatten_dense_tensors pad_sequence unflatten_dense_tensors",
    },
    "fft": {
        "fourier":
            "fft fft2 fftfreq fftn fftshift hfft hfft2 hfftn ifft ifft2 ifftn ifftshift ihfft ihfft2 ihfftn irfft "
            "irfft2 irfftn rfft rfft2 rfftfreq rfftn",
    },
    "linalg": {
        "linalg_factor":
            "cholesky cholesky_ex householder_product ldl_factor ldl_factor_ex ldl_solve lu lu_factor lu_factor_ex "
            "lu_solve qr",
        "linalg_solve":
            "det diagonal inv inv_ex lstsq matmul matrix_exp matrix_power multi_dot pinv slogdet solve solve_ex "
            "solve_triangular tensorinv tensorsolve vander vecdot",
        "linalg_spectral":
            "cond eig eigh eigvals eigvalsh matrix_norm matrix_rank norm svd svdvals",
        "products":
            "cross",
    },
    "signal.windows": {
        "signal":
            "bartlett blackman cosine exponential gaussian general_cosine general_hamming hamming hann kaiser nuttall",
    },
    "special": {
        "specials":
            "log_softmax softmax",
    },
    "torch": {
        "calculus":
            "cumulative_trapezoid diff gradient trapezoid trapz",
        "combine":
            "_chunk_cat atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors cartesian_prod column_stack "
            "combinations dsplit dstack hsplit hstack meshgrid repeat_interleave row_stack stack tensor_split tile "
            "unsafe_chunk unsafe_split unsafe_split_with_sizes vsplit vstack",
        "ctc":
            "ctc_loss",
        "distance":
            "allclose cdist dist equal frobenius_norm isclose norm nuclear_norm pdist renorm renorm_",
        "einsum":
            "einsum",
        "foreach":
            "_foreach_abs _foreach_abs_ _foreach_acos _foreach_acos_ _foreach_add _foreach_add_ _foreach_addcdiv "
            "_foreach_addcdiv_ _foreach_addcmul _foreach_addcmul_ _foreach_asin _foreach_asin_ _foreach_atan "
            "_foreach_atan_ _foreach_ceil _foreach_ceil_ _foreach_clamp_max _foreach_clamp_max_ _foreach_clamp_min "
            "_foreach_clamp_min_ _foreach_clone _foreach_clone_ _foreach_copy_ _foreach_cos _foreach_cos_ "
            "_foreach_cosh _foreach_cosh_ _foreach_div _foreach_div_ _foreach_erf _foreach_erf_ _foreach_erfc "
            "_foreach_erfc_ _foreach_exp _foreach_exp_ _foreach_expm1 _foreach_expm1_ _foreach_floor _foreach_floor_ "
            "_foreach_frac _foreach_frac_ _foreach_lerp _foreach_lerp_ _foreach_lgamma _foreach_lgamma_ _foreach_log "
            "_foreach_log10 _foreach_log10_ _foreach_log1p _foreach_log1p_ _foreach_log2 _foreach_log2_ _foreach_log_ "
            "_foreach_max _foreach_maximum _foreach_maximum_ _foreach_minimum _foreach_minimum_ _foreach_mul "
            "_foreach_mul_ _foreach_neg _foreach_neg_ _foreach_norm _foreach_pow _foreach_pow_ _foreach_reciprocal "
            "_foreach_reciprocal_ _foreach_round _foreach_round_ _foreach_rsqrt _foreach_rsqrt_ _foreach_sigmoid "
            "_foreach_sigmoid_ _foreach_sign _foreach_sign_ _foreach_sin _foreach_sin_ _foreach_sinh _foreach_sinh_ "
            "_foreach_sqrt _foreach_sqrt_ _foreach_sub _foreach_sub_ _foreach_tan _foreach_tan_ _foreach_tanh "
            "_foreach_tanh_ _foreach_trunc _foreach_trunc_ _foreach_zero_",
        "linalg_factor":
            "geqrf ormqr",
        "linalg_legacy":
            "cholesky cholesky_inverse cholesky_solve det inverse lobpcg lu lu_solve lu_unpack matrix_exp "
            "matrix_power orgqr pca_lowrank pinverse qr slogdet svd svd_lowrank triangular_solve",
        "losses":
            "binary_cross_entropy_with_logits cosine_embedding_loss cosine_similarity hinge_embedding_loss kl_div "
            "margin_ranking_loss pairwise_distance poisson_nll_loss triplet_margin_loss",
        "neural":
            "bilinear celu celu_ channel_shuffle instance_norm pixel_shuffle pixel_unshuffle prelu",
        "pointwise":
            "_safe_softmax alias_copy as_strided_copy bucketize complex detach_copy diagonal_copy expand_copy "
            "float_power frexp isreal ldexp ldexp_ logdet mvlgamma mvlgamma_ narrow_copy nonzero_static permute_copy "
            "polar select_copy slice_copy split_copy split_with_sizes_copy squeeze_copy t_copy trace transpose_copy "
            "unbind_copy unfold_copy unsqueeze_copy vdot view_as_complex_copy view_as_real_copy view_copy",
        "products":
            "addbmm addbmm_ addmv addmv_ addr addr_ chain_matmul cross ger inner kron outer tensordot",
        "segments":
            "_segment_reduce _unsafe_index _unsafe_index_put _unsafe_masked_index _unsafe_masked_index_put_accumulate "
            "_weight_norm affine_grid_generator argsort broadcast_shapes broadcast_to is_same_size norm_except_dim "
            "segment_reduce",
        "shape":
            "adjoint argwhere as_strided_scatter diag diag_embed diagflat diagonal_scatter flatten fliplr flipud isin "
            "moveaxis movedim ravel resize_as_ rot90 select_scatter slice_scatter swapaxes swapdims take_along_dim "
            "tril_indices triu_indices unflatten unravel_index vander",
        "signal":
            "bartlett_window blackman_window hamming_window hann_window istft kaiser_window stft",
        "sparse":
            "_coalesced_ _indices _nnz _values ccol_indices coalesce col_indices crow_indices dense_dim dsmm hsmm "
            "hspmm indices row_indices saddmm smm sparse_bsc_tensor sparse_bsr_tensor sparse_compressed_tensor "
            "sparse_coo_tensor sparse_csc_tensor sparse_csr_tensor sparse_dim sparse_mask sparse_resize_ "
            "sparse_resize_and_clear_ spmm sspaddmm to_sparse to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc "
            "to_sparse_csr values",
        "statistics":
            "corrcoef count_nonzero cov hash_tensor histogram histogramdd msort nanmean nanquantile nansum quantile "
            "std_mean var_mean",
    },
}
